#!/usr/bin/env python3
"""One peer of a swarm by libtorrent, tuned for a few hosts that all know one another.

    libtorrent_peer.py seed|take ADDRESS DIRECTORY TORRENT PEER ...

Says `ready`, waits until the torrent appears, fetches what it names (or has it), says `complete MILLISECONDS` and
serves the others until it is ended. ADDRESS and PEER are like 10.77.0.2:6881.
"""
import os
import signal
import sys
import time

import libtorrent

role, address, directory, torrent, *peers = sys.argv[1:]
LOOK_S = 0.02

session = libtorrent.session({
    "listen_interfaces": address,
    # All peers are given: nothing is looked for.
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    # TCP alone: nobody else is on these links to make way for.
    "enable_outgoing_utp": False, "enable_incoming_utp": False,
    "unchoke_slots_limit": -1, "unchoke_interval": 1, "max_out_request_queue": 100,
    "connection_speed": 200, "out_enc_policy": 2, "in_enc_policy": 2, "alert_mask": 0,
})
print("ready", flush=True)
while not os.path.exists(torrent):
    time.sleep(LOOK_S)
params = libtorrent.add_torrent_params()
params.ti = libtorrent.torrent_info(torrent)
params.trackers = []
params.save_path = directory
params.flags &= ~(libtorrent.torrent_flags.paused | libtorrent.torrent_flags.auto_managed)
if role == "seed":
    params.flags |= libtorrent.torrent_flags.seed_mode
handle = session.add_torrent(params)
for peer in peers:
    host, port = peer.rsplit(":", 1)
    handle.connect_peer((host, int(port)))
while not handle.status().is_seeding:
    time.sleep(LOOK_S)
print(f"complete {int(time.time() * 1000)}", flush=True)
signal.pause()
