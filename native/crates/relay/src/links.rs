//! The links of one session, found in one step by the number that the core and the poll know.

use spread::LinkId;

use crate::limits::LINKS_MAX;
use crate::link::Link;

const SLOT_BITS: u32 = 12;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
const _: () = assert!(LINKS_MAX <= SLOT_MASK as usize);

/// A link's number is its slot and how often the slot was used, so that what is said about a
/// link that is gone never reaches the one that took its place.
#[derive(Debug, Default)]
pub(crate) struct Links {
    slots: Vec<Slot>,
    free: Vec<u32>,
    count: usize,
}

#[derive(Debug, Default)]
struct Slot {
    uses: u32,
    link: Option<Box<Link>>,
}

impl Links {
    /// A number for a new link, or none when there are too many.
    pub(crate) fn reserve(&mut self) -> Option<LinkId> {
        if self.count >= LINKS_MAX {
            return None;
        }
        let slot = self.free.pop().or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).ok()
        })?;
        let place = self.slots.get_mut(slot as usize)?;
        place.uses = place.uses.wrapping_add(1) & (u32::MAX >> SLOT_BITS);
        self.count += 1;
        Some((place.uses << SLOT_BITS) | slot)
    }

    /// Puts a link, new or taken out before, at its place.
    pub(crate) fn put(&mut self, link: Box<Link>) {
        if let Some(slot) = self.slots.get_mut((link.id & SLOT_MASK) as usize) {
            slot.link = Some(link);
        }
    }

    /// Takes a link out to work with it; its place stays its own.
    pub(crate) fn take(&mut self, id: LinkId) -> Option<Box<Link>> {
        let slot = self.slots.get_mut((id & SLOT_MASK) as usize)?;
        slot.link.take_if(|link| link.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let slot = self.slots.get_mut((id & SLOT_MASK) as usize)?;
        slot.link.as_deref_mut().filter(|link| link.id == id)
    }

    /// Gives a place back. The link has been taken out and dropped, or was never put.
    pub(crate) fn release(&mut self, id: LinkId) {
        self.free.push(id & SLOT_MASK);
        self.count -= 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.slots.iter().filter_map(|slot| slot.link.as_deref())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Stage;
    use mio::net::TcpStream;

    fn link(id: LinkId) -> Box<Link> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Box::new(Link::new(id, stream, [1; 16], Stage::Up, None))
    }

    #[test]
    fn the_number_of_a_link_that_is_gone_never_means_another() {
        let mut links = Links::default();
        let first = links.reserve().unwrap();
        links.put(link(first));
        drop(links.take(first).unwrap());
        links.release(first);
        let second = links.reserve().unwrap();
        links.put(link(second));
        assert_ne!(first, second);
        assert_eq!(first & SLOT_MASK, second & SLOT_MASK);
        assert!(links.get_mut(first).is_none());
        assert!(links.take(first).is_none());
        assert!(links.get_mut(second).is_some());
    }

    #[test]
    fn there_are_at_most_so_many() {
        let mut links = Links::default();
        let ids: Vec<_> = std::iter::from_fn(|| links.reserve()).collect();
        assert_eq!(ids.len(), LINKS_MAX);
        links.release(ids[7]);
        assert!(links.reserve().is_some());
        assert!(links.reserve().is_none());
    }
}
