//! The services (ECMA-269): who may, what is done, what is answered.

use std::{rc::Rc, sync::Arc};

use ringpost::{
    directory::Directory,
    policy::Change,
    rcc::{
        Connection, Edition, Forwarding, Refusal, Request, Response, error_body, line::Device, response_body,
    },
    settings::{Feature, User},
};

use super::{
    Live,
    dialogs::{Dialogs, MONITORS, Monitor},
    requests::Asked,
};
use crate::{
    metrics::METRICS,
    switch::{Switch, change_of},
};

type Served = Result<Response, Refusal>;

impl Dialogs {
    /// The body of the answer; `None`: it comes when the request is done.
    pub(super) fn does(
        &self,
        switch: &Switch,
        tag: u64,
        (edition, wanted): (Edition, Request),
        asked: &Asked,
    ) -> Option<String> {
        let directory = self.rcc.directory.load_full();
        let served = match wanted {
            Request::SystemStatus { .. } => Ok(Response::SystemStatus { normal: true }),
            Request::Features => Ok(Response::Features),
            Request::MonitorStart { device } => self.monitor(&directory, tag, device),
            Request::SnapshotDevice { device } => self.owner(&directory, tag, &device).map(|user| {
                let calls = self.rcc.calls_of(&user.address);
                let ends = calls.iter().filter_map(|live| live.look.view(&live.id, &device).connection());
                Response::Snapshot(ends.collect())
            }),
            Request::MonitorStop { monitor } => self.stop(tag, &monitor),
            Request::SetForwarding { device, when, on, to } => {
                let feature = match (when, on) {
                    (Forwarding::Immediate, true) => Feature::ForwardAlways,
                    (Forwarding::Immediate, false) => Feature::ForwardAlwaysOff,
                    (Forwarding::Busy, true) => Feature::ForwardBusy,
                    (Forwarding::Busy, false) => Feature::ForwardBusyOff,
                    (Forwarding::NoAnswer, true) => Feature::ForwardNoAnswer,
                    (Forwarding::NoAnswer, false) => Feature::ForwardNoAnswerOff,
                };
                let to = to.filter(|_| on).map(|to| Device::of(&to).number).unwrap_or_default();
                let change = self.change(&directory, tag, (&device, feature, &to));
                match change {
                    Ok(change) => return self.keep(switch, tag, (edition, "SetForwarding"), change, asked),
                    Err(refusal) => Err(refusal),
                }
            }
            Request::SetDoNotDisturb { device, on } => {
                let feature = if on { Feature::DoNotDisturb } else { Feature::DoNotDisturbOff };
                match self.change(&directory, tag, (&device, feature, "")) {
                    Ok(change) => return self.keep(switch, tag, (edition, "SetDoNotDisturb"), change, asked),
                    Err(refusal) => Err(refusal),
                }
            }
            Request::GetForwarding { device } => self.owner(&directory, tag, &device).map(|user| {
                let policy = self.policies.of(&user).unwrap_or_default();
                let kinds = [
                    (Forwarding::Immediate, policy.always),
                    (Forwarding::Busy, policy.busy),
                    (Forwarding::NoAnswer, policy.no_answer),
                ];
                let on = kinds.into_iter().filter_map(|(kind, to)| Some((kind, self.place(&to?))));
                Response::Forwarding(on.collect())
            }),
            Request::GetDoNotDisturb { device } => self
                .owner(&directory, tag, &device)
                .map(|user| Response::DoNotDisturb { on: self.features(&user).0 }),
            other => self.controls(switch, &directory, (tag, edition, other), asked)?,
        };
        Some(match served {
            Ok(response) => response_body(edition, &response),
            Err(refusal) => {
                METRICS.rcc_refused_total.one();
                error_body(edition, refusal)
            }
        })
    }

    /// The user of a device that a client may control.
    pub(super) fn line(
        &self,
        directory: &Directory,
        who: &super::dialogs::Who,
        device: &str,
    ) -> Result<Arc<User>, Refusal> {
        let Device { number, extension } = Device::of(device);
        let user =
            extension.as_deref().and_then(|own| directory.user(own)).or_else(|| directory.user(&number));
        // Whether there is a user whom a client may not control is nothing that it learns.
        user.filter(|user| who.may(directory, user)).cloned().ok_or(match who {
            super::dialogs::Who::User(_) => Refusal::Security,
            super::dialogs::Who::Trunk(_) => Refusal::InvalidDevice,
        })
    }

    pub(super) fn owner(&self, directory: &Directory, tag: u64, device: &str) -> Result<Arc<User>, Refusal> {
        let found = self.get(tag).ok_or(Refusal::InvalidDevice)?;
        let who = found.borrow().who.clone();
        self.line(directory, &who, device)
    }

    fn monitor(&self, directory: &Directory, tag: u64, device: String) -> Served {
        let user = self.owner(directory, tag, &device)?;
        let found = self.get(tag).ok_or(Refusal::InvalidMonitor)?;
        if found.borrow().monitors.len() >= MONITORS {
            return Err(Refusal::Resources);
        }
        let address: Arc<str> = user.address.as_str().into();
        let calls = self.rcc.monitored(&address, self.port.lane);
        self.of_user.borrow_mut().entry(Arc::clone(&address)).or_default().push(tag);
        let mut one = found.borrow_mut();
        one.count += 1;
        let id = one.count.to_string();
        let mut monitor = Monitor::new(id.clone(), address, device, self.features(&user));
        calls.iter().for_each(|Live { id, look, .. }| monitor.knows(id, look));
        one.monitors.push(monitor);
        Ok(Response::MonitorStart { monitor: id })
    }

    fn stop(&self, tag: u64, monitor: &str) -> Served {
        let found = self.get(tag).ok_or(Refusal::InvalidMonitor)?;
        let mut one = found.borrow_mut();
        let at = one.monitors.iter().position(|known| known.id == monitor).ok_or(Refusal::InvalidMonitor)?;
        let gone = one.monitors.remove(at);
        self.left(tag, &gone.user);
        Ok(Response::Done("MonitorStop".into()))
    }

    /// What a user's policy is to become: what a feature code could make of it, and nothing else.
    fn change(
        &self,
        directory: &Directory,
        tag: u64,
        (device, feature, number): (&str, Feature, &str),
    ) -> Result<(Arc<User>, Change), Refusal> {
        let user = self.owner(directory, tag, device)?;
        let change = change_of(directory, &user, feature, number);
        let change = change.map_err(|code| match code {
            484 => Refusal::Incomplete,
            _ => Refusal::InvalidDestination,
        })?;
        Ok((user, change))
    }

    /// Keeps a change, and answers when it is written.
    fn keep(
        &self,
        switch: &Switch,
        tag: u64,
        (edition, service): (Edition, &'static str),
        (user, change): (Arc<User>, Change),
        asked: &Asked,
    ) -> Option<String> {
        let (policies, asked) = (Arc::clone(&self.policies), asked.clone());
        let dialogs = Rc::clone(switch.dialogs());
        actix::spawn(async move {
            let body = match policies.change(&user, change).await {
                true => response_body(edition, &Response::Done(service.into())),
                false => error_body(edition, Refusal::Resources),
            };
            dialogs.reply(tag, &asked, 200, Some(&body));
        });
        None
    }

    /// The call of a user that a request is about: by its name, or the only one.
    pub(super) fn call(
        &self,
        directory: &Directory,
        tag: u64,
        connection: &Connection,
    ) -> Result<(Arc<User>, Live), Refusal> {
        let users = match connection.device.is_empty() {
            false => vec![self.owner(directory, tag, &connection.device)?],
            true => {
                let found = self.get(tag).ok_or(Refusal::InvalidCall)?;
                let one = found.borrow();
                let mine = one.monitors.iter().filter_map(|monitor| directory.of_address(&monitor.user));
                mine.filter(|user| one.who.may(directory, user)).cloned().collect()
            }
        };
        let named = |live: &Live| connection.call.is_empty() || *live.id == *connection.call;
        let calls = users.into_iter().flat_map(|user| {
            self.rcc.calls_of(&user.address).into_iter().map(move |live| (Arc::clone(&user), live))
        });
        let mut calls = calls.filter(|(_, live)| named(live));
        match (calls.next(), calls.next()) {
            (Some(one), None) => Ok(one),
            (Some(one), Some(_)) if !connection.call.is_empty() => Ok(one),
            _ => Err(Refusal::InvalidCall),
        }
    }
}
