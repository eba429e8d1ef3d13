//! One password is shown by one step at a time, and by none once it was refused: directories lock accounts, and the same
//! account is often behind several servers.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// What is known of each password in this run.
#[derive(Default)]
pub struct Passwords(RefCell<HashMap<Login, Known>>);

/// User name and password.
type Login = (String, String);
/// The step where it was refused.
type Known = Arc<Mutex<Option<String>>>;

/// Whoever holds it may show the password; a refusal is to be told.
pub struct Turn(OwnedMutexGuard<Option<String>>);

impl Passwords {
    /// Waits for the turn; `Err`: the step where it was refused.
    pub async fn turn(&self, user: &str, password: &str) -> Result<Turn, String> {
        let key = (user.to_ascii_lowercase(), password.to_owned());
        let one = Arc::clone(self.0.borrow_mut().entry(key).or_default());
        let held = one.lock_owned().await;
        match &*held {
            Some(step) => Err(step.clone()),
            None => Ok(Turn(held)),
        }
    }
}

impl Turn {
    /// It was refused in that step.
    pub fn refused(mut self, step: &str) {
        *self.0 = Some(step.to_owned());
    }
}
