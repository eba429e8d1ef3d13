//! A good site and the faults that a slip of the pen can make of it.

mod channels;
mod listeners;
mod people;
mod shape;
mod trunks;
mod users;
mod voicemail;

/// A site without a fault, for faults to be added to.
pub const GOOD: &str = r#"[sip]
listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
domain = "example.test"
[[trunk]]
name = "pbx"
sources = ["127.0.0.1"]
[um.plan.lab]
servers = ["sip:um@127.0.0.1:6073"]
[[user]]
address = "sip:1001@example.test"
numbers = ["1001", "+15550101"]
devices = ["sip:desk@127.0.0.1:6071", "sip:soft@127.0.0.1:6072"]
ring_for = "1s"
um_plan = "lab"
missed_calls = "um"
mail = "user1001@example.test"
time_zone = "Europe/Copenhagen"
language = "en"
[mail]
url = "smtp://127.0.0.1:1025"
from = "ringpost@example.test"
[store]
path = ":memory:"
"#;

/// (what, text to replace, replacement, exactly these errors)
pub type Fault = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// All of them.
pub fn faults() -> impl Iterator<Item = &'static Fault> {
    [
        FAULTS,
        channels::FAULTS,
        listeners::FAULTS,
        people::FAULTS,
        shape::FAULTS,
        trunks::FAULTS,
        users::FAULTS,
        voicemail::FAULTS,
    ]
    .into_iter()
    .flatten()
}

/// What is seen and told of users: remote call control, presence, notices.
const FAULTS: &[Fault] = &[
    (
        "telephones controlled for too short a time, by a trunk that is not there and by a user for nobody",
        "[store]",
        "[rcc]\nsession = \"30s\"\nmax_dialogs = 0\ntrunks = [\"pbx2\"]\n[[rcc.delegate]]\nuser = \"1001\"\nlines = []\n\
         [rcc.gateway.one]\nserver = \"tel:5\"\nlogin = \"x\"\ndevice = \"x\"\ntrunk = \"pbx2\"\nedition = 0\nsession = \"1m\"\n\
         poll = \"10ms\"\nretry = \"5m\"\nlines = []\n[rcc.gateway.two]\n[store]",
        &[
            "site.toml:23: rcc.session: a session lasts 90 s at least (RFC 4028)",
            "site.toml:24: rcc.max_dialogs: wants a number from 1 to 1000000",
            "site.toml:25: rcc.trunks[0]: there is no trunk \"pbx2\"",
            "site.toml:28: rcc.delegate[0].lines: needs at least one entry",
            "site.toml:30: rcc.gateway.one.server: wants a SIP URI such as \"sip:desk@192.0.2.7:5060\"",
            "site.toml:31: rcc.gateway.one.login: needs password_file as well",
            "site.toml:32: rcc.gateway.one.device: wants {number} or {address} in it, such as \"tel:{number}\"",
            "site.toml:33: rcc.gateway.one.trunk: there is no trunk \"pbx2\"",
            "site.toml:34: rcc.gateway.one.edition: wants a number from 1 to 99",
            "site.toml:35: rcc.gateway.one.session: a session lasts 90 s at least (RFC 4028)",
            "site.toml:36: rcc.gateway.one.poll: must be 1000 ms or longer",
            "site.toml:37: rcc.gateway.one.retry: must not be longer than longest_retry",
            "site.toml:38: rcc.gateway.one.lines: unknown key; known here: server, login, password_file, realm, from, users, device, trunk, \
             dialog_per_user, edition, session, poll, monitor_gap, timeout, retry, longest_retry",
            "site.toml:39: rcc.gateway.two.server: is missing",
        ],
    ),
    (
        "presence of an unknown kind, by nobody, for no time",
        "[store]",
        "[presence]\nexpires = \"10s\"\nusers = \"some\"\npublishers = [\"pbx2\"]\nfull = [\"1001\"]\nblock = [\"1001\"]\n\
         inactive_after = \"1h\"\n[[presence.state]]\nname = \"Lab\"\nmeans = \"hidden\"\n[[presence.list]]\n\
         address = \"team\"\nmembers = []\n[store]",
        &[
            "site.toml:23: presence.expires: must lie between min_expires and max_expires",
            "site.toml:24: presence.users: wants \"block\", \"polite\", \"reduced\" or \"full\", not \"some\"",
            "site.toml:25: presence.publishers[0]: there is no trunk \"pbx2\"",
            "site.toml:27: presence.block[0]: \"1001\" is in another of these lists too",
            "site.toml:28: presence.inactive_after: must not be longer than away_after",
            "site.toml:31: presence.state[0].means: unknown state \"hidden\"; known: available, inactive, away, be-right-back, busy, do-not-disturb, offline",
            "site.toml:33: presence.list[0].address: wants a SIP URI such as \"sip:desk@192.0.2.7:5060\"",
            "site.toml:34: presence.list[0].members: needs at least one entry",
        ],
    ),
    (
        "message counts from and for trunks that are not there or cannot be told",
        "[store]",
        "[presence]\nmessages_from = [\"um\"]\nmessages_to = [\"pbx\", \"um\"]\nmessages_last = \"0s\"\n[store]",
        &[
            "site.toml:23: presence.messages_from[0]: there is no trunk \"um\"",
            "site.toml:24: presence.messages_to[0]: trunk \"pbx\" has no target",
            "site.toml:24: presence.messages_to[1]: there is no trunk \"um\"",
            "site.toml:25: presence.messages_last: must be longer than zero",
        ],
    ),
    (
        "presence servers of no kind",
        "[store]",
        "[presence.publish.one]\nserver = \"sip:a@b.test\"\nlogin = \"x\"\npackages = [\"winfo\"]\naccess = \"block\"\nexpires = \"10s\"\n\
         keep_alive = \"10ms\"\nat_once = 0\nretry = 1\n[presence.publish.two]\n[store]",
        &[
            "site.toml:23: presence.publish.one.server: wants no user part: the number takes its place",
            "site.toml:24: presence.publish.one.login: needs password_file as well",
            "site.toml:25: presence.publish.one.packages[0]: wants one of presence, dialog, message-summary",
            "site.toml:26: presence.publish.one.access: wants one of full, reduced",
            "site.toml:27: presence.publish.one.expires: must be 60 s or longer",
            "site.toml:28: presence.publish.one.keep_alive: must be 1 s or longer",
            "site.toml:29: presence.publish.one.at_once: wants a number from 1 to 1000",
            "site.toml:30: presence.publish.one.retry: unknown key; known here: kind, server, login, password_file, realm, packages, expires, \
         access, keep_alive, users, publish_gap, at_once",
            "site.toml:31: presence.publish.two.server: is missing",
        ],
    ),
    (
        "servers of Microsoft's presence, and calendars of nobody and of somebody twice",
        "[store]",
        "[presence.publish.ocs]\nkind = \"lync\"\nserver = \"sip:b.test\"\n[presence.publish.two]\nkind = \"microsoft\"\nserver = \"sip:b.test\"\n\
         refresh = \"10s\"\npackages = [\"presence\"]\n[presence.calendar.a]\nchannel = \"none\"\nusers = [\"1001\"]\nevery = \"1h\"\nkeep = \"10m\"\n\
         slots = 1\n[presence.calendar.b]\nusers = [\"1001\"]\nafter = 1\n[store]",
        &[
            "site.toml:23: presence.publish.ocs.kind: wants one of sip, microsoft, teams",
            "site.toml:28: presence.publish.two.refresh: must be 60 s or longer",
            "site.toml:29: presence.publish.two.packages: unknown key; known here: kind, server, login, password_file, realm, refresh, \
         message_waiting, calendar, access, keep_alive, users, publish_gap, at_once",
            "site.toml:31: presence.calendar.a.channel: wants the name of a [channel.NAME] of kind \"ews\" or \"graph\"",
            "site.toml:34: presence.calendar.a.keep: must not be shorter than every",
            "site.toml:35: presence.calendar.a.slots: wants a number from 4 to 672",
            "site.toml:36: presence.calendar.b.channel: is missing",
            "site.toml:37: presence.calendar.b.users[0]: \"1001\" has a calendar at [presence.calendar.a] already",
            "site.toml:38: presence.calendar.b.after: unknown key; known here: channel, users, every, keep, slots, out_of_office",
        ],
    ),
    (
        "calendars that are over before they are asked for again, and one that nobody is left for",
        "[store]",
        "[channel.exchange]\nkind = \"ews\"\nurl = \"https://mail.example.test/EWS/Exchange.asmx\"\nauth = \"basic\"\nuser = \"svc\"\n\
         password_file = \"/dev/null\"\nfrom = \"um@example.test\"\n[presence.calendar.a]\nchannel = \"exchange\"\nevery = \"1h\"\n\
         slots = 4\n[presence.calendar.b]\nchannel = \"exchange\"\nevery = \"40h\"\nkeep = \"41h\"\n[presence.calendar.c]\n\
         channel = \"exchange\"\nevery = \"45m\"\nslots = 4\nusers = [\"1001\"]\n[store]",
        &[
            "site.toml:27: channel.exchange.password_file: holds no password",
            "site.toml:32: presence.calendar.a.slots: 4 quarters of an hour are over before the calendar is asked for again: wants 5 or more, or a shorter every",
            "site.toml:33: presence.calendar.b.users: is missing: [presence.calendar.a] asks for everybody else already, nobody is left",
            "site.toml:35: presence.calendar.b.every: 128 quarters of an hour are over before the calendar is asked for again: wants 161 or more, or a shorter every",
        ],
    ),
    (
        "publications that end before they are told anew, for longer than a day, and twice",
        "[store]",
        "[presence.publish.a]\nserver = \"sip:b.test\"\npublish_gap = \"5m1s\"\nusers = [\"1001\"]\n[presence.publish.b]\n\
         server = \"sip:B.test\"\nexpires = \"25h\"\npackages = [\"dialog\", \"presence\"]\n[presence.publish.c]\nserver = \"sip:b.test\"\n\
         packages = [\"message-summary\"]\n[presence.publish.d]\nkind = \"microsoft\"\nserver = \"sip:b.test\"\nrefresh = \"1m\"\n\
         publish_gap = \"2m\"\nusers = [\"1001\"]\n[presence.publish.e]\nkind = \"microsoft\"\nserver = \"sip:b.test\"\nusers = [\"1002\"]\n\
         [presence.publish.f]\nkind = \"microsoft\"\nserver = \"sip:b.test\"\nrefresh = \"2d\"\n[store]",
        &[
            "site.toml:24: presence.publish.a.publish_gap: must not be longer than 300 s, when publications are told anew (half of expires)",
            "site.toml:27: presence.publish.b.server: [presence.publish.a] tells it the same of the same users already",
            "site.toml:28: presence.publish.b.expires: must be 24 h or shorter",
            "site.toml:37: presence.publish.d.publish_gap: must not be longer than 60 s, when publications are told anew (refresh)",
            "site.toml:45: presence.publish.f.server: [presence.publish.d] tells it the same of the same users already",
            "site.toml:46: presence.publish.f.refresh: must be 24 h or shorter",
        ],
    ),
    (
        "connectors to nowhere, for nothing",
        "[store]",
        "[[presence.connector]]\nname = \"one\"\nserver = \"sip:pbx.test\"\ntransport = \"ws\"\nlogin = \"x\"\ntelephony = \"lamps\"\n\
         domains = [\"a b\"]\nlists = \"server\"\nexpires = \"1s\"\nper_second = 0\nretry = 1\n[[presence.connector]]\nname = \"one\"\n\
         server = \"pbx.test\"\ntelephony = \"none\"\nuri = \"sip:pbx.test\"\nlist = \"sip:all@pbx.test\"\n[store]",
        &[
            "site.toml:22: presence.connector[0].list: is missing: the URI of the list, or of the server of lists",
            "site.toml:24: presence.connector[0].server: wants a host, or host:port, such as \"192.0.2.10:5060\" or \"pbx.example.com\"",
            "site.toml:25: presence.connector[0].transport: wants one of udp, tcp, tls",
            "site.toml:26: presence.connector[0].login: needs password_file as well",
            "site.toml:27: presence.connector[0].telephony: wants one of presence, dialog, none",
            "site.toml:28: presence.connector[0].domains[0]: wants a host name such as \"pbx.example.com\"",
            "site.toml:30: presence.connector[0].expires: must be 5 s or longer",
            "site.toml:31: presence.connector[0].per_second: wants a number from 1 to 10000",
            "site.toml:32: presence.connector[0].retry: unknown key; known here: name, enabled, transport, server, domain, login, password_file, realm, uri, telephony, rich, messages, users, domains, preferred, pilots, lists, list, max_list, expires, keep_alive, recheck, at_once, per_second, max_users",
            "site.toml:34: presence.connector[1].name: there is another connector \"one\"",
            "site.toml:36: presence.connector[1].telephony: without rich, messages and domains there is nothing to ask for",
            "site.toml:37: presence.connector[1].uri: wants a URI with a user part",
            "site.toml:38: presence.connector[1].list: means nothing without lists",
        ],
    ),
    (
        "digests of one call, for too long, and no such fate",
        "language = \"en\"",
        "language = \"en\"\n[user.notices]\ndigest_calls = 1\ndigest_within = \"8d\"\nreturned = \"forget\"\n[notices]\ndigest_calls = 101",
        &[
            "site.toml:20: user[0].notices.digest_calls: wants 0 (no digest) or a number from 2 to 100",
            "site.toml:21: user[0].notices.digest_within: must not be longer than 7d",
            "site.toml:22: user[0].notices.returned: wants \"keep\", \"mark\" or \"drop\", not \"forget\"",
            "site.toml:24: notices.digest_calls: wants a number from 0 to 100",
        ],
    ),
    (
        "what goes along with notices",
        "[store]",
        "[notices]\ntemplates = \"words\"\nvoicemail = \"link\"\nlink = \"https://example.test/v\"\naudio = \"mp3\"\n\
         vcard = \"no\"\n[store]",
        &[
            "site.toml:23: notices.templates: words cannot be read: No such file or directory (os error 2)",
            "site.toml:24: notices.voicemail: \"link\" needs the site's [notices] link",
            "site.toml:25: notices.link: wants {id} where the recording's name goes",
            "site.toml:26: notices.audio: wants one of wav, pcm, opus",
            "site.toml:27: notices.vcard: wants true or false, not text in quotes",
        ],
    ),
    (
        "a user's recordings behind a link that the site does not have",
        "[store]",
        "[user.notices]\nvoicemail = \"link\"\naudio = \"mp3\"\n[store]",
        &[
            "site.toml:23: user[0].notices.voicemail: \"link\" needs the site's [notices] link",
            "site.toml:24: user[0].notices.audio: wants one of wav, pcm, opus",
        ],
    ),
    (
        "notices that could never be told, and slips of the pen",
        "[store]",
        "[notices]\nskip = [\"private\"]\nskip_numbers = [\"+49*30\", \"*\"]\nown_numbers = [\"mobile\"]\n\
         work_days = []\nholidays = [\"25.12.\"]\nspam_headers = [\"X-Spam\"]\ntell = \"everybody\"\n\
         quiet = [\"22-7\", \"08:00-08:00\"]\nwork_hours = [7]\n\
         [user.notices]\nquiet = [\"00:00-12:00\", \"12:00-24:00\"]\ntell = \"x@y@z\"\nmin_ring = \"1s\"\n[store]",
        &[
            "site.toml:23: notices.skip[0]: wants \"internal\", \"hidden\" or \"spam\", not \"private\"",
            "site.toml:24: notices.skip_numbers[0]: wants a number such as \"+4930123456\", or the beginning of numbers such as \"+49900*\"",
            "site.toml:24: notices.skip_numbers[1]: wants a number such as \"+4930123456\", or the beginning of numbers such as \"+49900*\"",
            "site.toml:25: notices.own_numbers[0]: wants a number such as \"+4930123456\"",
            "site.toml:26: notices.work_days: needs at least one day",
            "site.toml:27: notices.holidays[0]: wants a day such as \"2026-04-03\", or \"12-25\" for every year, not \"25.12.\"",
            "site.toml:28: notices.spam_headers[0]: wants a header and how its value begins, such as \"X-Spam: yes\"",
            "site.toml:29: notices.tell: wants \"first\", \"last\", \"all\" or a mail address, not \"everybody\"",
            "site.toml:30: notices.quiet[0]: wants a part of the day such as \"22:00-07:00\", not \"22-7\"",
            "site.toml:30: notices.quiet[1]: wants a part of the day such as \"22:00-07:00\", not \"08:00-08:00\"",
            "site.toml:31: notices.work_hours[0]: wants text, not a number without quotes",
            "site.toml:33: user[0].notices.quiet: leaves no time at which a notice could be told",
            "site.toml:34: user[0].notices.tell: wants a mail address such as \"user@example.com\"",
            "site.toml:35: user[0].notices.min_ring: unknown key; known here: skip, skip_numbers, own_numbers, only_while_signed_in, quiet, work_days, work_hours, holidays, voice_mail_at_once, tell, voicemail, audio, vcard, digest_calls, digest_within, returned",
        ],
    ),
];
