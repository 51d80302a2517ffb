//! What a device does with what its platform says of the network.

use clarity_engine::{Event, NetworkPolicy};

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// Chooses over which networks this device synchronises by itself. With
    /// [`NetworkPolicy::UnmeteredOnly`] it pauses as
    /// [`Pause::Metered`](clarity_engine::Pause::Metered) on a network that costs by volume, and
    /// goes on by itself on another; [`Client::sync`], which a person asks for, uses it all the
    /// same. The choice is durable and holds for every process that uses the store.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be written.
    pub fn set_network_policy(&self, policy: NetworkPolicy) -> Result<(), ClientError> {
        self.note(Event::NetworkPolicy(policy))
    }

    /// Says whether the network costs by volume, as the platform or the person knows it. Durable,
    /// like the policy.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be written.
    pub fn set_network_metered(&self, metered: bool) -> Result<(), ClientError> {
        self.note(Event::NetworkMetered { metered })
    }

    /// Says that the platform believes the network to have come or gone. Only answers are the
    /// truth; this decides when they are looked for. However often it is called, it causes one
    /// attempt at once and then one in 10 seconds.
    ///
    /// # Errors
    /// When the client is closed or the store cannot be written.
    pub fn set_network_online(&self, online: bool) -> Result<(), ClientError> {
        self.note(Event::NetworkChanged { online })
    }
}

#[cfg(feature = "network-hints")]
mod hints {
    use std::collections::BTreeSet;
    use std::net::IpAddr;
    use std::time::Duration;

    use if_addrs::{IfAddr, get_if_addrs};

    use crate::client::Client;
    use crate::error::ClientError;

    /// How often the addresses of this machine are looked at.
    const LOOK_INTERVAL: Duration = Duration::from_secs(5);

    /// The addresses that may lead to a network, as last seen.
    #[derive(Debug, Default)]
    pub(super) struct Seen(BTreeSet<IpAddr>);

    impl Seen {
        /// What to say of what is found now: nothing when it is as before.
        pub(super) fn look(&mut self, found: BTreeSet<IpAddr>) -> Option<bool> {
            if found == self.0 {
                return None;
            }
            // Another address is another network: what failed over the old one may succeed.
            self.0 = found;
            Some(!self.0.is_empty())
        }
    }

    /// The addresses of interfaces that are up and lead beyond this machine.
    fn addresses() -> Option<BTreeSet<IpAddr>> {
        let interfaces = get_if_addrs().ok()?.into_iter();
        let leading = interfaces.filter(|one| {
            let local = match &one.addr {
                IfAddr::V4(address) => address.is_link_local(),
                IfAddr::V6(address) => address.is_link_local(),
            };
            !one.is_loopback() && !local && one.is_oper_up()
        });
        Some(leading.map(|interface| interface.ip()).collect())
    }

    impl Client {
        /// Looks after the addresses of this machine and passes on when the network comes, goes or
        /// becomes another one, for as long as it is polled. Not for a server on this machine,
        /// which needs no network.
        ///
        /// # Errors
        /// When the client is closed or the store cannot be written.
        pub async fn watch_network(&self) -> Result<(), ClientError> {
            let mut look = tokio::time::interval(LOOK_INTERVAL);
            let mut seen: Option<Seen> = None;
            loop {
                look.tick().await;
                // A system that does not tell says nothing.
                let Some(found) = addresses() else { continue };
                let says = match &mut seen {
                    Some(seen) => seen.look(found),
                    None => {
                        let online = !found.is_empty();
                        seen = Some(Seen(found));
                        // An earlier life may have heard the same.
                        Some(online).filter(|_| {
                            self.status().is_ok_and(|status| status.network.online != Some(online))
                        })
                    }
                };
                if let Some(online) = says {
                    self.set_network_online(online)?;
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// Shows that only changes are passed on: coming, another network, going.
        #[test]
        fn only_changes_are_passed_on() {
            let found = |last: u8| BTreeSet::from([IpAddr::from([192, 168, 0, last])]);
            let mut seen = Seen::default();
            assert_eq!(seen.look(BTreeSet::new()), None);
            assert_eq!(seen.look(found(1)), Some(true));
            assert_eq!(seen.look(found(1)), None);
            assert_eq!(seen.look(found(2)), Some(true));
            assert_eq!(seen.look(BTreeSet::new()), Some(false));
            assert_eq!(seen.look(BTreeSet::new()), None);
        }

        /// Shows that the system of this machine tells its addresses.
        #[test]
        fn the_system_tells_its_addresses() {
            let found = addresses().expect("it tells");
            assert!(found.iter().all(|address| !address.is_loopback()));
        }
    }
}
