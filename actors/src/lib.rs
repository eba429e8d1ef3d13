//! The half of Ringpost that touches the world: sockets, timers, disk, mail. It decides nothing.
//!
//! In reading order, each with whom it may address:
//!
//! - [`stage`]: wires everything together; [`load`] reads the site, [`log`] sets up logging.
//! - [`port`]: a lane's sockets and transactions; tells the [`switch`].
//! - [`switch`]: finds the leg of a message and begins calls; tells legs and calls.
//! - [`registrar`]: which devices have registered, and whether a request comes from one; asks the [`store`].
//! - [`names`]: what names in URIs mean: answers of the DNS, remembered for all lanes; asks a thread of its own.
//! - [`leg`]: one leg of a call: its INVITE and dialog; tells its call and the port.
//! - [`call`]: one call: asks the call machine, tells its legs and the outbox.
//! - [`identity`]: what callers are called, asked of servers while phones ring; asks the [`channel`]s' servers.
//! - [`directory`]: mirrors an LDAP directory; tells the [`stage`] what has changed there.
//! - [`outbox`]: keeps notices until they are told; asks the [`store`] and the [`channel`]s.
//! - [`pool`]: which UM servers work; asks those that did not, through the port.
//! - [`um`]: the embedded UM's SIP; [`voicemail`]: its RTP, greetings and recordings.
//! - [`keeper`]: starts again what lives longer than a call and ended.
//! - [`policies`]: what users have changed by feature codes; tells the store.
//! - [`mailboxes`]: how many messages each mailbox holds, for message waiting; the [`store`] tells it.
//! - [`presence`]: what is known of users, and who is told; asks the [`store`], tells watchers and PBXs through the port.
//! - [`metrics`]: numbers and health, for whoever watches; any part bumps them. [`status`]: the same for an admin.
//! - [`book`]: makes the address book every day and keeps its files; served by [`web`].
//! - [`web`]: the HTTP server for what devices fetch; has a thread of its own, and its routes from others.
//! - [`retention`]: removes what has been kept long enough; asks the store.
//! - [`control`]: what an admin says while it runs; tells the outbox.
//! - [`gateways`]: what calls show of the gateways of routes.
//! - [`trunks`]: registers at providers and asks trunks whether they live; asks the port.
//! - [`doctor`]: looks at a site from outside, beside a Ringpost that runs or without one.
//! - [`demo`]: five calls with peers of its own. [`entropy`]: numbers that nobody can guess.

#![forbid(unsafe_code)]

pub mod book;
pub mod call;
pub mod channel;
pub mod control;
pub mod demo;
pub mod directory;
pub mod doctor;
pub mod entropy;
pub mod gateways;
mod guard;
pub mod identity;
pub mod keeper;
pub mod leg;
pub mod load;
pub mod log;
pub mod mailboxes;
pub mod metrics;
pub mod names;
pub mod outbox;
pub mod policies;
pub mod pool;
pub mod port;
pub mod presence;
pub mod rcc;
pub mod registrar;
pub mod retention;
pub mod stage;
pub mod status;
pub mod store;
pub mod switch;
pub mod trunks;
pub mod um;
pub mod voicemail;
pub mod web;
