//! Goal: the model does what its head comment says. Method: small networks whose times can be
//! worked out by hand.

use super::*;

const MEGABIT: u64 = 1_000_000;
/// 1,000 bytes at 1 Mbit/s take this long.
const KILOBYTE_US: u64 = 8_000;
const WINDOW: u64 = 64 * 1024;

/// Says what it is told to on a link as soon as there is room, and notes what it hears.
#[derive(Default)]
struct Talker {
    calls: Vec<NodeIndex>,
    messages: u32,
    message_bytes: u64,
    heard: Vec<(u64, String)>,
}

impl Process for Talker {
    type Message = u32;

    fn handle(&mut self, event: Event<u32>, io: &mut Io<'_, u32>) {
        match &event {
            Event::Started => {
                for peer in &self.calls {
                    io.connect(*peer);
                }
            }
            Event::LinkUp {
                link, opened: true, ..
            } => {
                for number in 0..self.messages {
                    io.send(*link, number, self.message_bytes);
                }
            }
            _ => {}
        }
        self.heard.push((io.now_us(), format!("{event:?}")));
    }
}

fn caller(calls: &[NodeIndex], messages: u32) -> Talker {
    caller_of(calls, messages, 1000)
}

fn caller_of(calls: &[NodeIndex], messages: u32, message_bytes: u64) -> Talker {
    Talker {
        calls: calls.to_vec(),
        messages,
        message_bytes,
        heard: Vec::new(),
    }
}

fn received_at(network: &Network<Talker>, node: NodeIndex) -> Vec<u64> {
    let heard = &network.process(node).unwrap().heard;
    heard
        .iter()
        .filter(|(_, what)| what.starts_with("Received"))
        .map(|(at, _)| *at)
        .collect()
}

fn megabit() -> Rates {
    Rates::symmetric(MEGABIT)
}

#[test]
fn a_message_takes_its_size_over_the_rate_and_the_delay() {
    let mut network = Network::new(1, WINDOW, |_, _| 500);
    network.add(megabit(), caller(&[1], 2));
    network.add(megabit(), caller(&[], 0));
    network.run_until(1_000_000);
    let up_us = 2 * 500;
    let first = up_us + KILOBYTE_US + 500;
    assert_eq!(received_at(&network, 1), vec![first, first + KILOBYTE_US]);
    assert_eq!(network.carried_bytes(1), (0, 2000));
}

#[test]
fn over_tcp_headers_go_along_and_what_is_received_is_acknowledged_on_the_way_back() {
    let mut network = Network::new(1, WINDOW, |_, _| 0);
    network.set_transport(Transport::Tcp);
    network.add(megabit(), caller(&[1], 10));
    network.add(megabit(), caller(&[0], 10));
    network.run_until(1_000_000);
    let packet_bytes = 1000 + 66;
    let (sent, received) = network.carried_bytes(1);
    assert_eq!(received, 10 * packet_bytes);
    // Two are under way before anything has come; acknowledgements go with those after them.
    assert_eq!(sent, 10 * packet_bytes + 8 * 66);
}

#[test]
fn over_tcp_a_new_connection_takes_round_trips_for_more_than_its_first_window() {
    let arrival_us = |bytes: u64| {
        let mut network = Network::new(1, 1 << 20, |_, _| 10_000);
        network.set_transport(Transport::Tcp);
        let gigabit = Rates::symmetric(1000 * MEGABIT);
        network.add(gigabit, caller_of(&[1], 1, bytes));
        network.add(gigabit, caller(&[], 0));
        network.run_until(10_000_000);
        received_at(&network, 1)[0]
    };
    let close = |us: u64, round_trips: u64| {
        let least_us = round_trips * 10_000;
        assert!(
            (least_us..least_us + 1500).contains(&us),
            "{us} {round_trips}"
        );
    };
    close(arrival_us(10_000), 3);
    close(arrival_us(14_480 * 3), 5);
    close(arrival_us(14_480 * 7), 7);
}

#[test]
fn two_children_share_an_uplink() {
    let mut network = Network::new(1, WINDOW, |_, _| 0);
    network.add(megabit(), caller(&[1, 2], 10));
    network.add(megabit(), caller(&[], 0));
    network.add(megabit(), caller(&[], 0));
    network.run_until(1_000_000);
    let last = |node| *received_at(&network, node).last().unwrap();
    assert_eq!(last(1).max(last(2)), 20 * KILOBYTE_US);
    assert!(last(1).abs_diff(last(2)) <= 2 * KILOBYTE_US);
}

#[test]
fn two_parents_share_a_downlink() {
    let mut network = Network::new(1, WINDOW, |_, _| 0);
    network.add(megabit(), caller(&[2], 10));
    network.add(megabit(), caller(&[2], 10));
    network.add(megabit(), caller(&[], 0));
    network.run_until(1_000_000);
    assert_eq!(*received_at(&network, 2).last().unwrap(), 20 * KILOBYTE_US);
}

#[test]
fn nodes_behind_a_gate_share_it_and_what_stays_inside_does_not_pass_it() {
    let mut network = Network::new(1, WINDOW, |_, _| 0);
    let way = Way {
        rates: Rates::symmetric(MEGABIT / 2),
        delay_us: 1_000,
        window_bytes: 0,
    };
    let gate = network.add_gate(way);
    network.add_behind(gate, megabit(), caller(&[1, 2], 10));
    network.add_behind(gate, megabit(), caller(&[3], 10));
    network.add(megabit(), caller(&[], 0));
    network.add(megabit(), caller(&[], 0));
    network.run_until(1_000_000);
    let last = |node| *received_at(&network, node).last().unwrap();
    let (out_bytes, into_bytes) = network.gate_carried_bytes(gate);
    assert_eq!((out_bytes, into_bytes), (20_000, 0));
    assert_eq!(last(2).max(last(3)), 3_000 + 40 * KILOBYTE_US);
    assert!(last(1) <= 20 * KILOBYTE_US, "{}", last(1));
}

#[test]
fn a_slow_sender_leaves_a_downlink_to_others() {
    let mut network = Network::new(1, WINDOW, |_, _| 0);
    network.add(Rates::symmetric(MEGABIT / 10), caller(&[2], 1));
    network.add(megabit(), caller(&[2], 5));
    network.add(megabit(), caller(&[], 0));
    network.run_until(1_000_000);
    let times = received_at(&network, 2);
    assert_eq!(times[4], 6 * KILOBYTE_US, "{times:?}");
    assert_eq!(times[5], 10 * KILOBYTE_US, "{times:?}");
}

#[test]
fn a_slow_reader_holds_up_its_own_connection_alone() {
    let mut network = Network::new(1, 2000, |_, _| 0);
    network.add(megabit(), caller(&[1, 2], 100));
    network.add(Rates::symmetric(MEGABIT / 100), caller(&[], 0));
    network.add(megabit(), caller(&[], 0));
    network.run_until(120 * KILOBYTE_US);
    assert_eq!(received_at(&network, 2).len(), 100);
    assert_eq!(received_at(&network, 1).len(), 1);
}

#[test]
fn a_killed_node_resets_its_links_and_refuses_new_ones() {
    let mut network = Network::new(1, WINDOW, |_, _| 100);
    network.add(megabit(), caller(&[1], 1000));
    network.add(megabit(), caller(&[], 0));
    network.run_until(20_000);
    assert!(network.kill(1, Death::Reset).is_some());
    network.order(0, |_, io| io.connect(1));
    network.run_until(40_000);
    let heard = &network.process(0).unwrap().heard;
    assert!(
        heard.contains(&(20_100, "LinkDown { link: 1 }".into())),
        "{heard:?}"
    );
    assert!(
        heard.contains(&(20_200, "ConnectFailed { peer: 1 }".into())),
        "{heard:?}"
    );
}

#[test]
fn nothing_comes_from_a_node_without_power_until_it_is_back() {
    let mut network = Network::new(1, WINDOW, |_, _| 100);
    network.add(megabit(), caller(&[1], 1000));
    network.add(megabit(), caller(&[], 0));
    network.run_until(20_000);
    network.kill(1, Death::Silent);
    network.run_until(1_000_000);
    let downs = |network: &Network<Talker>| {
        let heard = &network.process(0).unwrap().heard;
        heard
            .iter()
            .filter(|(_, what)| what.starts_with("LinkDown"))
            .count()
    };
    assert_eq!(downs(&network), 0);
    network.restart(1, caller(&[], 0));
    network.run_until(1_100_000);
    assert_eq!(downs(&network), 1);
    assert_eq!(received_at(&network, 1).len(), 0);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut network = Network::new(seed, WINDOW, |_, _| 250);
        for node in 0..4 {
            network.add(megabit(), caller(&[(node + 1) % 4, (node + 2) % 4], 20));
        }
        network.run_until(500_000);
        (0..4)
            .map(|node| network.process(node).unwrap().heard.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
}
