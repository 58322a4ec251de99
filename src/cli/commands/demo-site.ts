import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { type Random, seededRandom } from '../../base/random.js'
import { KIB, MIB } from '../../base/units.js'

const SECTIONS = 12
const PAGES_PER_SECTION = 25
const WORDS = 'river delta stream flows branch source mouth tide bank ferry lock weir ford reed eddy'.split(' ')
const BUNDLE_BYTES = 6 * MIB
const IMAGE_BYTES = 48 * KIB

const prose = (random: Random, words: number): string =>
  Array.from({ length: words }, () => WORDS[random.below(WORDS.length)] ?? '').join(' ')

const page = (random: Random, title: string): string =>
  `<!doctype html><title>${title}</title>\n<h1>${title}</h1>\n<p>${prose(random, 300)}</p>\n`

/** Writes the sample site: 300 pages, an image a section, one large bundle. The same seed gives the same site. */
export async function writeSite(directory: string, seed: number): Promise<void> {
  const random = seededRandom(seed)
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  for (let section = 0; section < SECTIONS; section++) {
    const folder = `${directory}/section-${section}`
    await mkdir(folder)
    await writeFile(`${folder}/image.bin`, random.bytes(IMAGE_BYTES))
    for (let number = 0; number < PAGES_PER_SECTION; number++) {
      await writeFile(`${folder}/page-${number}.html`, page(random, `Page ${number} of section ${section}`))
    }
  }
  await writeFile(`${directory}/bundle.bin`, random.bytes(BUNDLE_BYTES))
  await writeFile(`${directory}/index.html`, page(random, 'Distributary'))
}

/** Changes it as an ordinary update does: some pages, a few bytes of the bundle, one page gone, one new. */
export async function changeSite(directory: string, seed: number): Promise<void> {
  const random = seededRandom(seed + 1)
  for (let section = 0; section < SECTIONS; section += 3) {
    const title = `Page 0 of section ${section}, revised`
    await writeFile(`${directory}/section-${section}/page-0.html`, page(random, title))
  }
  const original = seededRandom(seed)
  const bundle = await readFile(`${directory}/bundle.bin`)
  original.bytes(256).copy(bundle, BUNDLE_BYTES / 2)
  await writeFile(`${directory}/bundle.bin`, bundle)
  await rm(`${directory}/section-1/page-1.html`)
  await writeFile(`${directory}/news.html`, page(random, 'News'))
}
