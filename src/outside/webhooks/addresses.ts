import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'

/** Ranges that are not the public internet (IANA's special-purpose registries, multicast included). */
const blocked = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  blocked.addSubnet(net, prefix, 'ipv4')
}
for (const [net, prefix] of [
  // Unspecified, loopback, and IPv4 in its old IPv6 form.
  ['::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  blocked.addSubnet(net, prefix, 'ipv6')
}

/** The IPv4 address that an address of NAT64 (64:ff9b::/96) leads to; null for any other. */
function translated(address: string): string | null {
  const found = /^64:ff9b::(?:(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4}))?$/.exec(address)
  if (found === null) return null
  const high = Number.parseInt(found[1] ?? '0', 16)
  const low = Number.parseInt(found[2] ?? '0', 16)
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/**
 * Whether an address is private, loopback, link-local or otherwise not of the public internet, also where it is
 * wrapped into IPv6. What is no address counts as blocked. Pure.
 */
export function isBlocked(address: string): boolean {
  const bare = address.replace(/%.*$/, '').toLowerCase()
  if (isIPv4(bare)) return blocked.check(bare, 'ipv4')
  if (!isIPv6(bare)) return true
  const within = translated(bare)
  // IPv4 that is mapped into IPv6 is compared with the ranges of IPv4 by the list itself.
  return within === null ? blocked.check(bare, 'ipv6') : blocked.check(within, 'ipv4')
}

/** The address that a URL's host is; null when it is a name. */
export function addressOf(hostname: string): string | null {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(bare) === 0 ? null : bare
}
