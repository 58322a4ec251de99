/** A packing whose thread dies in the middle. */
export default function dyingPack(): never {
  process.exit(7)
}
