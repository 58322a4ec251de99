// A disk that loses its power when a test says so: a real ext4 in an image that lies in memory. Needs root, loop
// devices, Python 3, and a mount space of its own (unshare), so that no other program holds the mount.
import { mkdir } from 'node:fs/promises'
import { run } from './process.js'
import { until } from './until.js'

/** EXT4_IOC_SHUTDOWN, flag 2: whatever is not on the disk is lost, the journal too. */
const shutDown = `import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))`

export class CutDisk {
  /** Where it is mounted. */
  readonly path: string
  readonly #image: string

  private constructor(work: string) {
    this.path = `${work}/disk`
    this.#image = `${work}/disk.img`
  }

  /** An empty one in a directory. @param size as `truncate` takes it. */
  static async make(work: string, size: string): Promise<CutDisk> {
    const disk = new CutDisk(work)
    await mkdir(disk.path)
    await run('truncate', ['-s', size, disk.#image])
    await run('mkfs.ext4', ['-q', '-F', disk.#image])
    await disk.mount()
    return disk
  }

  async mount(): Promise<void> {
    await run('mount', ['-o', 'loop', this.#image, this.path])
  }

  /** From here on it takes nothing, and what it had not written is lost. */
  async cut(): Promise<void> {
    await run('python3', ['-c', shutDown, this.path])
  }

  /** Waits until nobody has a file of it open. */
  async unmount(): Promise<void> {
    const unmounted = (): Promise<boolean> =>
      run('umount', [this.path]).then(
        () => true,
        () => false,
      )
    await until('the disk is let go', unmounted)
  }
}
