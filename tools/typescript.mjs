// Runs TypeScript as it stands, without a build: node --import ./tools/typescript.mjs FILE.ts
// Types are not checked here; `npm run types` does that.
import { existsSync, readFileSync } from 'node:fs'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'

const HOOKS = '?hooks'

if (!import.meta.url.endsWith(HOOKS)) register(`${import.meta.url}${HOOKS}`)

/** A specifier that ends in .js may mean a .ts file beside the one that names it. */
export function resolve(specifier, context, next) {
  if (/^(\.{1,2}\/|file:)/.test(specifier) && specifier.endsWith('.js')) {
    const source = new URL(specifier.replace(/js$/, 'ts'), context.parentURL)
    if (!existsSync(new URL(specifier, context.parentURL)) && existsSync(source)) {
      return { url: source.href, format: 'module', shortCircuit: true }
    }
  }
  return next(specifier, context)
}

/** Takes the types away. */
export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  const { default: ts } = await import('typescript')
  const fileName = fileURLToPath(url)
  const { outputText } = ts.transpileModule(readFileSync(fileName, 'utf8'), {
    fileName,
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, inlineSourceMap: true },
  })
  return { format: 'module', source: outputText, shortCircuit: true }
}
