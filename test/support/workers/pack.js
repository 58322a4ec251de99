/** A packing whose thread dies in the middle. */
export default function dyingPack() {
  process.exit(7)
}
