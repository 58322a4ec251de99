// Goal: an addon that is not there is named, with the way out. Method: a module system that finds nothing.
import t from 'tap'

t.test('a missing addon names the file that was tried and how to build it', async (t) => {
  const nothing = () => {
    throw new Error('Cannot find module')
  }
  const { engine, multicast } = await t.mockImport<typeof import('../../../src/native/load.js')>(
    '../../../src/native/load.js',
    { 'node:module': { createRequire: () => nothing } },
  )
  for (const [load, file] of [
    [engine, 'native/addon/index.cjs'],
    [multicast, 'native/multicast/multicast.node'],
  ] as const) {
    t.throws(load, { code: 'ENGINE_ERR_NATIVE_MISSING', message: new RegExp(file), hint: /npm run build/ })
  }
})

t.test('an addon is loaded once', async (t) => {
  const { engine } = await import('../../../src/native/load.js')
  t.equal(engine(), engine())
})
