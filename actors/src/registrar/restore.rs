//! What the last run has left: the bindings, and the key that makes its temporary GRUUs ours.

use std::sync::Arc;

use ringpost::registrar::{Binding, Gruus};

use super::{Registrar, lock};

/// The row of the key, among those of users, whose addresses have a colon.
const KEY: &str = "key of temporary GRUUs";

impl Registrar {
    /// Takes up the bindings that the last run has written. Connections have gone, and what only they could reach.
    pub async fn restore(&self, listeners: usize) {
        let Some(scribe) = &self.scribe else { return };
        match scribe.bindings().await {
            Some(Ok(rows)) => {
                let key = rows.iter().find(|(user, _)| user == KEY);
                match key.and_then(|(_, body)| serde_json::from_str(body).ok()) {
                    Some(key) => self.gruus.store(Arc::new(Gruus::new(&key))),
                    None => self.keep_key().await,
                }
                rows.iter().for_each(|(user, body)| self.take_up((user, body), listeners));
            }
            Some(Err(error)) => tracing::error!(%error, "The registrations of the last run cannot be read"),
            None => {}
        }
        self.count();
    }

    /// Has this run's key outlive it. Where the disk refuses it, temporary GRUUs end with the process.
    async fn keep_key(&self) {
        let key = crate::entropy::key();
        self.gruus.store(Arc::new(Gruus::new(&key)));
        if let (Some(scribe), Ok(body)) = (&self.scribe, serde_json::to_string(&key)) {
            scribe.bind(vec![(KEY.into(), Some(body))]).await;
        }
    }

    fn take_up(&self, (user, body): (&str, &str), listeners: usize) {
        let cells = self.cells.load();
        let Some(cell) = cells.get(user) else { return };
        let bindings = serde_json::from_str::<Vec<Binding>>(body).unwrap_or_else(|error| {
            tracing::warn!(%error, "The registrations of a user cannot be read");
            vec![]
        });
        let now = self.now();
        let left: Vec<Binding> = bindings.into_iter().filter_map(|b| b.survives(now, listeners)).collect();
        for binding in &left {
            self.name(cell, binding);
        }
        cell.bindings.store(Arc::new(left));
    }

    /// Has a device's temporary GRUUs found again.
    pub(super) fn name(&self, cell: &super::Cell, binding: &Binding) {
        let Some(instance) = binding.instance.as_deref() else { return };
        let name = self.gruus.load().name(&cell.user, instance, &binding.call_id);
        let whose = (Arc::clone(&cell.user), instance.to_owned(), binding.call_id.clone());
        lock(&self.names).insert(name, whose);
    }
}
