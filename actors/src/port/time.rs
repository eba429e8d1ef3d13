//! A lane's clock: one sleep for the transactions' timers and the calls' alarms.

use std::{rc::Rc, time::Duration};

use super::Port;

impl Port {
    /// Fires timers until the lane ends.
    pub async fn keep_time(self: Rc<Self>) {
        loop {
            let due = self.next_due();
            self.sleeps_until.set(due);
            if due == u64::MAX {
                self.woken.notified().await;
                continue;
            }
            let sleep = tokio::time::sleep_until((self.started + Duration::from_millis(due)).into());
            tokio::select! {
                () = sleep => {}
                () = self.woken.notified() => continue,
            }
            self.sleeps_until.set(0);
            self.guarded(|| self.fire());
        }
    }

    fn fire(self: &Rc<Self>) {
        let now = self.now();
        self.transactions.borrow_mut().tick(now, &mut self.output.borrow_mut());
        self.flush();
        let mut rung = Vec::new();
        self.alarms.borrow_mut().fire(now, |alarm| rung.push(alarm));
        let user = self.user();
        rung.into_iter().for_each(|alarm| self.guarded(|| user.rings(alarm)));
    }

    fn next_due(&self) -> u64 {
        let transactions = self.transactions.borrow().due().unwrap_or(u64::MAX);
        transactions.min(self.alarms.borrow().due().unwrap_or(u64::MAX))
    }

    /// Shortens the sleep where something is due before its end.
    pub(super) fn wake_earlier(&self) {
        let sleeps_until = self.sleeps_until.get();
        if sleeps_until > 0 && self.next_due() < sleeps_until {
            self.sleeps_until.set(0);
            self.woken.notify_one();
        }
    }
}
