//! Connections that devices have registered over: they are kept open, and their end ends the bindings (RFC 5626).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use ringpost::registrar::Flow;

use super::{Registrar, lock};

/// The users registered over each connection.
#[derive(Default)]
pub struct Flows(Mutex<HashMap<u64, HashSet<Arc<str>>, ahash::RandomState>>);

impl Flows {
    /// A user's device has registered over a connection.
    pub fn note(&self, connection: u64, user: &Arc<str>) {
        lock(&self.0).entry(connection).or_default().insert(Arc::clone(user));
    }

    /// Keeps those that are still wanted.
    pub fn retain(&self, wanted: impl Fn(u64, &Arc<str>) -> bool) {
        lock(&self.0).retain(|connection, users| {
            users.retain(|user| wanted(*connection, user));
            !users.is_empty()
        });
    }
}

impl Registrar {
    /// Whether a device has registered over that connection, which is still open.
    pub fn has_flow(&self, connection: u64) -> bool {
        lock(&self.flows.0).contains_key(&connection)
    }

    /// A connection has closed. What could be reached only by it is gone; the store hears of it with the next sweep or
    /// registration, and a restart would drop it anyway.
    pub fn flow_closed(&self, connection: u64) {
        let Some(users) = lock(&self.flows.0).remove(&connection) else { return };
        let cells = self.cells.load();
        for cell in users.iter().filter_map(|user| cells.get(user)) {
            let only = |flow: ringpost::registrar::Flow| flow.only;
            self.drop_if(cell, |binding| binding.is_by(connection) && binding.flow.is_some_and(only));
        }
    }

    /// A device's way back has failed, as it or a proxy says, or because nothing went through (RFC 5626 §5.3).
    pub fn flow_failed(&self, user: &str, flow: &Flow) {
        if let Some(cell) = self.cells.load().get(user).filter(|_| flow.only) {
            self.drop_if(cell, |binding| binding.flow.as_ref() == Some(flow));
        }
    }
}
