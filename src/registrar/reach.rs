//! Where calls to a user go: the devices of the site file and those that have registered, together (R1).

use smallvec::SmallVec;

use super::{Binding, Flow, binding::same_uri};

/// A device that rings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// The Request-URI.
    pub uri: String,
    /// The value of Route; empty: none.
    pub route: String,
    /// The way it registered by, where calls go back that way.
    pub flow: Option<Flow>,
    /// Whether a name in its URI or Route must not turn out to be a trunk's: nobody trusted registered it.
    pub guarded: bool,
    /// Further flows of the same device, to be tried one after the other where this one is dead (RFC 5626 §5.3).
    pub others: Vec<Device>,
}

impl Device {
    /// A device of the site file.
    pub fn fixed(uri: &str) -> Self {
        Self { uri: uri.to_owned(), route: String::new(), flow: None, guarded: false, others: vec![] }
    }

    fn of(binding: &Binding) -> Self {
        let (uri, route) = (binding.uri.clone(), binding.path.clone());
        Self { uri, route, flow: binding.flow, guarded: !binding.trusted, others: vec![] }
    }
}

/// The devices of the site file and the bindings that have not ended, highest `q` first; each device once. `instance`
/// restricts them to one device: a call to a GRUU.
pub fn devices(fixed: &[String], bindings: &[Binding], instance: Option<&str>, now: u64) -> Vec<Device> {
    let mut devices: Vec<Device> = match instance {
        None => fixed.iter().map(|uri| Device::fixed(uri)).collect(),
        Some(_) => vec![],
    };
    let wanted = |b: &&Binding| b.expires > now && (instance.is_none() || b.instance.as_deref() == instance);
    let mut live: SmallVec<[&Binding; 8]> = bindings.iter().filter(wanted).collect();
    // The later registration first: it is the one that works.
    live.sort_by_key(|binding| (std::cmp::Reverse(binding.q), std::cmp::Reverse(binding.expires)));
    let mut seen: SmallVec<[(&str, usize); 8]> = SmallVec::new();
    for binding in live {
        if devices.iter().any(|device| binding.flow.is_none() && same_uri(&device.uri, &binding.uri)) {
            continue;
        }
        let device = Device::of(binding);
        let instance = binding.instance.as_deref();
        let known = instance.and_then(|instance| seen.iter().find(|(other, _)| *other == instance));
        match (instance, known) {
            (_, Some((_, at))) => devices[*at].others.push(device),
            (instance, None) => {
                seen.extend(instance.map(|instance| (instance, devices.len())));
                devices.push(device);
            }
        }
    }
    devices
}
