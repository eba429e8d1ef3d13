//! What the attributes of a directory are called, by product and by site.

use crate::directory::person::Kind;

/// A kind of directory server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// Active Directory, with the schema of Exchange and Lync where it has them.
    #[default]
    ActiveDirectory,
    /// OpenLDAP and others with inetOrgPerson.
    OpenLdap,
}

impl Profile {
    /// Every profile and what the site calls it.
    pub const ALL: [(&str, Self); 2] =
        [("active-directory", Self::ActiveDirectory), ("openldap", Self::OpenLdap)];

    /// What a site calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ActiveDirectory => "active-directory",
            Self::OpenLdap => "openldap",
        }
    }

    /// The filter of persons, where the site has none.
    pub fn persons(self) -> &'static str {
        match self {
            Self::ActiveDirectory => "(&(objectCategory=person)(objectClass=user))",
            Self::OpenLdap => "(objectClass=inetOrgPerson)",
        }
    }
}

/// What an attribute says.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Meaning {
    /// What names the entry for good.
    Id,
    /// What grows with every change of the entry.
    Changed,
    /// The display name.
    Name,
    /// The given name.
    Given,
    /// The surname.
    Surname,
    /// The company.
    Company,
    /// The department.
    Department,
    /// The title.
    Title,
    /// The mail address.
    Mail,
    /// The SIP address.
    Sip,
    /// Addresses with a prefix: `SMTP:`, `sip:`, `EUM:`, `tel:`.
    Proxies,
    /// Whether the SIP address is in use.
    SipEnabled,
    /// Bits of the account; 2: it is disabled.
    AccountControl,
    /// Bits of unified messaging; 1: it is enabled.
    UmFlags,
    /// The DN of the UM dial plan.
    UmPlanLink,
    /// The server of remote call control.
    LineServer,
    /// Bits of remote call control and others.
    OptionFlags,
    /// The name that devices prove themselves with.
    AuthName,
    /// The password that devices prove themselves with, in the clear.
    Password,
    /// A user's `ring_for`.
    RingFor,
    /// A user's `time_zone`.
    TimeZone,
    /// A user's `language`.
    Language,
    /// Who tells of missed calls, as `missed_calls`.
    MissedCalls,
    /// A dial plan's name.
    PlanName,
    /// The DNs of a dial plan's servers.
    PlanServers,
    /// A UM server's addresses.
    ServerAddress,
    /// A UM server's version.
    ServerVersion,
    /// A number of that kind.
    Number(Kind),
}

impl Meaning {
    /// Every meaning and its key in `[directory.attributes]`.
    pub const ALL: [(&str, Self); 38] = [
        ("id", Self::Id),
        ("changed", Self::Changed),
        ("name", Self::Name),
        ("given_name", Self::Given),
        ("surname", Self::Surname),
        ("company", Self::Company),
        ("department", Self::Department),
        ("title", Self::Title),
        ("mail", Self::Mail),
        ("sip", Self::Sip),
        ("proxies", Self::Proxies),
        ("sip_enabled", Self::SipEnabled),
        ("account_control", Self::AccountControl),
        ("um_flags", Self::UmFlags),
        ("um_plan", Self::UmPlanLink),
        ("line_server", Self::LineServer),
        ("option_flags", Self::OptionFlags),
        ("auth_name", Self::AuthName),
        ("password", Self::Password),
        ("ring_for", Self::RingFor),
        ("time_zone", Self::TimeZone),
        ("language", Self::Language),
        ("missed_calls", Self::MissedCalls),
        ("plan_name", Self::PlanName),
        ("plan_servers", Self::PlanServers),
        ("server_address", Self::ServerAddress),
        ("server_version", Self::ServerVersion),
        ("line", Self::Number(Kind::Line)),
        ("calling_line", Self::Number(Kind::CallingLine)),
        ("telephone", Self::Number(Kind::Telephone)),
        ("mobile", Self::Number(Kind::Mobile)),
        ("other_telephone", Self::Number(Kind::OtherTelephone)),
        ("other_mobile", Self::Number(Kind::OtherMobile)),
        ("home", Self::Number(Kind::Home)),
        ("other_home", Self::Number(Kind::OtherHome)),
        ("ip_phone", Self::Number(Kind::IpPhone)),
        ("pager", Self::Number(Kind::Pager)),
        ("fax", Self::Number(Kind::Fax)),
    ];

    /// Whether a dial plan or a UM server has it, not a person.
    fn is_of_um(self) -> bool {
        matches!(self, Self::PlanName | Self::PlanServers | Self::ServerAddress | Self::ServerVersion)
    }

    fn usual(self, profile: Profile) -> &'static [&'static str] {
        let ad = profile == Profile::ActiveDirectory;
        match self {
            Self::Id if ad => &["objectGUID"],
            Self::Id => &["entryUUID"],
            Self::Changed if ad => &["uSNChanged"],
            Self::Changed => &["modifyTimestamp"],
            Self::Name => &["displayName", "cn"],
            Self::Given => &["givenName"],
            Self::Surname => &["sn"],
            Self::Company if ad => &["company"],
            Self::Company => &["o"],
            Self::Department if ad => &["department"],
            Self::Department => &["ou", "departmentNumber"],
            Self::Title => &["title"],
            Self::Mail => &["mail"],
            Self::Sip => &["msRTCSIP-PrimaryUserAddress"],
            Self::Proxies => &["proxyAddresses"],
            Self::SipEnabled => &["msRTCSIP-UserEnabled"],
            Self::AccountControl => &["userAccountControl"],
            Self::UmFlags => &["msExchUMEnabledFlags"],
            Self::UmPlanLink => &["msExchUMRecipientDialPlanLink"],
            Self::LineServer => &["msRTCSIP-LineServer"],
            Self::OptionFlags => &["msRTCSIP-OptionFlags"],
            Self::AuthName | Self::Password | Self::RingFor | Self::TimeZone | Self::MissedCalls => &[],
            Self::Language => &["preferredLanguage"],
            Self::PlanName => &["cn"],
            Self::PlanServers => &["msExchUMServerDialPlanBL"],
            Self::ServerAddress => &["networkAddress"],
            Self::ServerVersion => &["versionNumber"],
            Self::Number(kind) => kind.usual(ad),
        }
    }
}

/// The names of the attributes for each meaning: the first one with a value counts, of numbers all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attributes {
    names: Vec<(Meaning, Vec<String>)>,
    /// Attributes without a meaning of their own, kept for templates and conditions.
    pub further: Vec<String>,
}

impl Attributes {
    /// Those of a profile.
    pub fn of(profile: Profile) -> Self {
        let names = |meaning: Meaning| meaning.usual(profile).iter().map(|&name| name.to_owned()).collect();
        Self { names: Meaning::ALL.map(|(_, meaning)| (meaning, names(meaning))).to_vec(), further: vec![] }
    }

    /// Changes the names for a meaning; none: the directory does not say it.
    #[must_use]
    pub fn with(mut self, meaning: Meaning, names: Vec<String>) -> Self {
        self.names
            .iter_mut()
            .filter(|(known, _)| *known == meaning)
            .for_each(|(_, old)| *old = names.clone());
        self
    }

    /// The names for a meaning.
    pub fn names(&self, meaning: Meaning) -> &[String] {
        self.names.iter().find(|(known, _)| *known == meaning).map_or(&[], |(_, names)| names)
    }

    /// What to ask of persons.
    pub fn of_persons(&self) -> Vec<&str> {
        let own = self.names.iter().filter(|(meaning, _)| !meaning.is_of_um());
        distinct(own.flat_map(|(_, names)| names).chain(&self.further))
    }

    /// What to ask of dial plans and UM servers.
    pub fn of_um(&self) -> Vec<&str> {
        let own = self.names.iter().filter(|(meaning, _)| meaning.is_of_um() || *meaning == Meaning::Changed);
        distinct(own.flat_map(|(_, names)| names))
    }
}

fn distinct<'n>(names: impl Iterator<Item = &'n String>) -> Vec<&'n str> {
    let mut distinct: Vec<&str> = vec![];
    for name in names {
        if !distinct.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            distinct.push(name);
        }
    }
    distinct
}
