//! The address by which Exchange UM knows a person (R13): `EUM:tu@contoso.com;phone-context=Hellerup.contoso.com`.

/// Such an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Eum {
    /// An address `tu@contoso.com` or an extension `4001`.
    pub address: String,
    /// The dial plan's name, mostly with the domain of the forest behind it.
    pub context: String,
    /// `EUM:` in capitals: the one that UM shows.
    pub primary: bool,
}

impl Eum {
    /// Reads a value of `proxyAddresses`; `None` where it is no such address, or one without a plan.
    pub fn read(value: &str) -> Option<Self> {
        let scheme = value.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("EUM:"))?;
        let mut parts = value[4..].split(';').map(str::trim);
        let address = parts.next().filter(|address| !address.is_empty())?;
        let mut contexts = parts.filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("phone-context").then(|| value.trim())
        });
        let context = contexts.next().filter(|context| !context.is_empty())?;
        contexts.next().is_none().then(|| Self {
            address: address.to_owned(),
            context: context.to_owned(),
            primary: scheme == "EUM:",
        })
    }

    /// The extension or number, where it is one.
    pub fn extension(&self) -> Option<&str> {
        let digits = self.address.strip_prefix('+').unwrap_or(&self.address);
        let any = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
        any.then_some(self.address.as_str())
    }

    /// Whether the plan of that name is meant: `DP-HQ` by `DP-HQ` and by `DP-HQ.corp.test`. How much of the context the
    /// name covers; the longest one is meant.
    pub fn names(&self, plan: &str) -> Option<usize> {
        let head = self.context.get(..plan.len()).filter(|head| head.eq_ignore_ascii_case(plan))?;
        let tail = &self.context[head.len()..];
        (!plan.is_empty() && (tail.is_empty() || tail.starts_with('.'))).then_some(head.len())
    }
}
