//! A person of the directory: names, addresses and every number.

mod clean;
pub mod eum;
mod read;

pub(super) use clean::Cleaned;
pub use clean::Fault;
pub use eum::Eum;
pub use read::{person, sip};

use super::ldap::Id;
use crate::{numbers::Tel, settings::Secret};

/// What sort of number it is, in the order in which a number's owner is looked up.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// `msRTCSIP-Line`: the person's line as a `tel:` URI.
    Line,
    /// `tel:` and the extension of `EUM:` in `proxyAddresses`.
    Proxy,
    /// `msExchUMCallingLineIDs`: numbers by which UM knows the person.
    CallingLine,
    /// `telephoneNumber`.
    Telephone,
    /// `mobile`.
    Mobile,
    /// `otherTelephone`.
    OtherTelephone,
    /// `otherMobile`.
    OtherMobile,
    /// `homePhone`.
    Home,
    /// `otherHomePhone`.
    OtherHome,
    /// `ipPhone`.
    IpPhone,
    /// `pager`.
    Pager,
    /// `facsimileTelephoneNumber`: for address books; no caller is looked up by it.
    Fax,
}

impl Kind {
    /// Every kind in order.
    pub const ALL: [Self; 12] = [
        Self::Line,
        Self::Proxy,
        Self::CallingLine,
        Self::Telephone,
        Self::Mobile,
        Self::OtherTelephone,
        Self::OtherMobile,
        Self::Home,
        Self::OtherHome,
        Self::IpPhone,
        Self::Pager,
        Self::Fax,
    ];

    /// What a site calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Proxy => "proxy",
            Self::CallingLine => "calling_line",
            Self::Telephone => "telephone",
            Self::Mobile => "mobile",
            Self::OtherTelephone => "other_telephone",
            Self::OtherMobile => "other_mobile",
            Self::Home => "home",
            Self::OtherHome => "other_home",
            Self::IpPhone => "ip_phone",
            Self::Pager => "pager",
            Self::Fax => "fax",
        }
    }

    pub(super) fn usual(self, active_directory: bool) -> &'static [&'static str] {
        match self {
            Self::Line => &["msRTCSIP-Line"],
            Self::Proxy => &[],
            Self::CallingLine if active_directory => &["msExchUMCallingLineIDs"],
            Self::CallingLine => &[],
            Self::Telephone => &["telephoneNumber"],
            Self::Mobile => &["mobile"],
            Self::OtherTelephone => &["otherTelephone"],
            Self::OtherMobile if active_directory => &["otherMobile"],
            Self::OtherMobile => &[],
            Self::Home => &["homePhone"],
            Self::OtherHome if active_directory => &["otherHomePhone"],
            Self::OtherHome => &[],
            Self::IpPhone => &["ipPhone"],
            Self::Pager => &["pager"],
            Self::Fax => &["facsimileTelephoneNumber"],
        }
    }
}

/// A number of a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Number {
    /// What sort of number.
    pub kind: Kind,
    /// As it is written in the directory, one clean line; a line as a `tel:` URI.
    pub text: String,
}

/// Remote call control, as the directory says it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Control {
    /// `msRTCSIP-LineServer`: the SIP URI of the gateway to the PBX.
    pub server: Option<String>,
    /// `msRTCSIP-OptionFlags`.
    pub flags: u32,
}

impl Control {
    /// Whether the person's phone is controlled by way of the PBX: bit 16 ([MS-SIPRE]'s flags; 512 with a line of its own).
    pub fn is_on(&self) -> bool {
        self.server.is_some() && self.flags & (16 | 512) != 0
    }

    /// Bit 128: Enterprise Voice.
    pub fn has_voice(&self) -> bool {
        self.flags & 128 != 0
    }
}

/// A person.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Person {
    /// What names the entry for good.
    pub id: Id,
    /// The distinguished name.
    pub dn: String,
    /// The display name, in any script.
    pub name: String,
    /// The given name.
    pub given: Option<String>,
    /// The surname.
    pub surname: Option<String>,
    /// The company.
    pub company: Option<String>,
    /// The department.
    pub department: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// Mail addresses, the primary one first.
    pub mails: Vec<String>,
    /// The SIP address as a URI, `sip:tu@contoso.com`, the host in lower case.
    pub sip: Option<String>,
    /// Whether the SIP address is in use; `None`: the directory does not say.
    pub sip_enabled: Option<bool>,
    /// The account is disabled.
    pub disabled: bool,
    /// Whether UM is on; `None`: the directory does not say.
    pub um_enabled: Option<bool>,
    /// The DN of the UM dial plan.
    pub um_plan: Option<String>,
    /// The addresses for UM, the primary one first.
    pub eum: Vec<Eum>,
    /// The line (R24, R25).
    pub line: Option<Tel>,
    /// Every number, in the order of [`Kind`].
    pub numbers: Vec<Number>,
    /// Remote call control.
    pub control: Control,
    /// Values with a meaning for users, and the further attributes, by the names of [`super::ldap::Attributes`].
    pub further: Vec<(String, String)>,
    /// The password that devices prove themselves with, where the directory holds one in the clear.
    pub password: Option<Secret>,
}

impl Person {
    /// The first of the further values of that name; names do not differ by case.
    pub fn further(&self, name: &str) -> Option<&str> {
        self.further
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The extension: that of the line, else the shortest one of UM.
    pub fn extension(&self) -> Option<&str> {
        let line = self.line.as_ref();
        let of_line = line.and_then(|line| match &line.ext {
            Some(ext) => Some(ext.as_str()),
            None => (!line.is_global()).then_some(line.number.as_str()),
        });
        of_line.or_else(|| self.eum.iter().filter_map(Eum::extension).min_by_key(|ext| ext.len()))
    }
}
