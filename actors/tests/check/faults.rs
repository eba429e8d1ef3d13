//! A good site and the faults that a slip of the pen can make of it.

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
pub const FAULTS: &[(&str, &str, &str, &[&str])] = &[
    (
        "telephones controlled for too short a time, by a trunk that is not there and by a user for nobody",
        "[store]",
        "[rcc]\nsession = \"30s\"\nmax_dialogs = 0\ntrunks = [\"pbx2\"]\n[[rcc.delegate]]\nuser = \"1001\"\nlines = []\n[store]",
        &[
            "site.toml:23: rcc.session: a session lasts 90 s at least (RFC 4028)",
            "site.toml:24: rcc.max_dialogs: wants a number from 1 to 1000000",
            "site.toml:25: rcc.trunks[0]: there is no trunk \"pbx2\"",
            "site.toml:28: rcc.delegate[0].lines: needs at least one entry",
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
        "listeners of [http] that are none",
        "[store]",
        "[http]\nlisten = [\"ftp:127.0.0.1:1\", \"http:192.0.2.1:8080\", \"https:[::1]:0\", 7]\nschemes = [\"ntlm\"]\n\
         url = \"https://a.test/?q\"\nproxies = [\"proxy\"]\nmax_header = \"1KiB\"\nmax_connections = 0\nstall_timeout = \"0s\"\n[store]",
        &[
            "site.toml:23: http.listen[0]: wants \"https:ADDRESS:PORT\" or \"http:ADDRESS:PORT\", not \"ftp:127.0.0.1:1\"",
            "site.toml:23: http.listen[1]: would take passwords in the open: wants https, an address of this machine only, \
         or plain = true",
            "site.toml:23: http.listen[2]: port 0 is no port: readers have to know where Ringpost listens",
            "site.toml:23: http.listen[3]: wants text, not a number without quotes",
            "site.toml:24: http.schemes[0]: wants \"digest\" or \"basic\", not \"ntlm\"",
            "site.toml:25: http.url: wants a URL such as \"https://phones.example.com/ringpost\", without anything behind the path",
            "site.toml:26: http.proxies[0]: wants an address or a network such as \"192.0.2.7\" or \"10.0.0.0/8\", not \"proxy\"",
            "site.toml:27: http.max_header: must be from 8.0 KiB to 1.0 MiB",
            "site.toml:28: http.max_connections: wants a number from 1 to 100000",
            "site.toml:29: http.stall_timeout: must be longer than zero",
        ],
    ),
    (
        "R89: two listeners on one address and port, whatever they speak",
        "[store]",
        "[metrics]\nlisten = \"127.0.0.1:9460\"\n[http]\nlisten = [\"http:127.0.0.1:9460\", \"http:127.0.0.1:5060\"]\n[store]",
        &[
            "site.toml:25: http.listen[0]: listens on the same address and port as metrics.listen (line 23)",
            "site.toml:25: http.listen[1]: listens on the same address and port as sip.listen[1] (line 2)",
        ],
    ),
    (
        "R89: metrics where SIP is by TCP",
        "[store]",
        "[metrics]\nlisten = \"0.0.0.0:5060\"\n[store]",
        &["site.toml:23: metrics.listen: listens on the same address and port as sip.listen[1] (line 2)"],
    ),
    (
        "https without a certificate",
        "[store]",
        "[http]\nlisten = [\"https:0.0.0.0:8443\"]\n[store]",
        &["site.toml: tls.certificates: is missing: a tls, wss or https listener needs one"],
    ),
    (
        "clients of [http] that nobody can be",
        "[store]",
        "[[http.client]]\nname = \"a:b\"\npassword_file = \"none\"\nmay = [\"all\"]\n[[http.client]]\nmay = []\n[store]",
        &[
            "site.toml:23: http.client[0].name: must not hold a quote, a backslash or a colon",
            "site.toml:24: http.client[0].password_file: cannot be read: No such file or directory (os error 2)",
            "site.toml:25: http.client[0].may[0]: wants \"book\" or \"locations\"",
            "site.toml:26: http.client[1].name: is missing",
            "site.toml:26: http.client[1].password_file: is missing",
            "site.toml:27: http.client[1].may: needs at least one entry",
        ],
    ),
    (
        "rules and locations that cannot be used",
        "[store]",
        "[location.hq]\ncountry = \"Denmark\"\nrules_file = \"none.xml\"\n[[location.hq.rule]]\nname = \"one\"\npattern = '^(?=1)'\n\
         translation = \"$1\"\n[[location.hq.rule]]\npattern = '^(\\d)$'\ntranslation = \"$15\"\n[location.empty]\n[location.default]\n\
         country = \"DK\"\n[outbound]\nlocation = \"moon\"\nrules_poll = \"0s\"\n[store]",
        &[
            "site.toml:23: location.hq.country: wants the two letters of a country such as \"DK\"",
            "site.toml:24: location.hq.rules_file: none.xml cannot be read: No such file or directory (os error 2)",
            "site.toml:27: location.hq.rule[0].pattern: rule \"one\": look-ahead would need more than linear time (at character 2)",
            "site.toml:31: location.hq.rule[1].translation: the pattern has no group of that number: write ${1}5 for group 1 and a 5 (at character 1)",
            "site.toml:32: location.empty: has neither rules nor a country",
            "site.toml:33: location.default: its name wants letters, digits, -, _ and . only, and is neither default nor dialstring",
            "site.toml:36: outbound.location: unknown location \"moon\"; the site has default, empty, hq",
            "site.toml:37: outbound.rules_poll: must be longer than zero",
        ],
    ),
    (
        "lines behind main numbers that overlap or are none",
        "[um.plan.lab]",
        "main_number = \"44890101\"\nextensions = [\"2xx\", \"250\", \"20-3\"]\n[[trunk]]\nname = \"two\"\nsources = [\"192.0.2.1\"]\n\
         main_number = \"+4544890101\"\nextensions = [\"2xx\"]\n[[trunk]]\nname = \"three\"\nsources = [\"192.0.2.2\"]\n\
         main_number = \"+45-44-89-01-01\"\nextensions = [\"299\", \"3xx\"]\n[[trunk]]\nname = \"four\"\nsources = [\"192.0.2.3\"]\n\
         extensions = [\"4xx\"]\ncalled_location = \"moon\"\n[um.plan.lab]",
        &[
            "site.toml:7: trunk[0].main_number: wants a number with + and country, such as \"+4544890101\"",
            "site.toml:8: trunk[0].extensions[1]: overlaps with 200-299",
            "site.toml:8: trunk[0].extensions[2]: the first and the last extension have the same length",
            "site.toml:18: trunk[2].extensions[0]: overlaps with 200-299 of trunk[1].extensions[0] (line 13)",
            "site.toml:22: trunk[3].extensions: needs main_number as well",
            "site.toml:23: trunk[3].called_location: unknown location \"moon\": the site has no [location.moon]",
        ],
    ),
    (
        "lines that are none",
        "language = \"en\"",
        "language = \"en\"\nline = \"tel:200;ext=2\"\nlocation = \"moon\"",
        &[
            "site.toml:19: user[0].line: wants a line such as \"tel:+4544890101\" or \"tel:+4544890101;ext=200\"",
            "site.toml:20: user[0].location: unknown location \"moon\": the site has no [location.moon]",
        ],
    ),
    (
        "a book for nobody",
        "[store]",
        "[book]\nenabled = \"no\"\ntitle = \"\"\nhide = [\"department=\", 5]\ndays = 0\nmax_found = 0\n[store]",
        &[
            "site.toml:23: book.enabled: wants true or false, not text in quotes",
            "site.toml:24: book.title: is empty",
            "site.toml:25: book.hide[0]: wants an address, a number or ATTRIBUTE=VALUE, with * for anything",
            "site.toml:25: book.hide[1]: wants text, not a number without quotes",
            "site.toml:26: book.days: wants a number from 1 to 365",
            "site.toml:27: book.max_found: wants a number from 1 to 10000",
        ],
    ),
    (
        "unknown key",
        "language = \"en\"",
        "languages = \"en\"",
        &[
            "site.toml:18: user[0].languages: unknown key; known here: address, name, line, numbers, location, devices, auth_name, \
         password, password_file, ring_for, um_plan, missed_calls, forward, min_ring, mail_if_um_refuses, channels, \
         mail, time_zone, language, greeting, voicemail_numbers, voice_policy, pin, pin_file, policy, presence, notices",
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
        "a channel to Exchange of slips of the pen",
        "[store]",
        "[channel.exchange]\nkind = \"ews\"\nurl = \"http://mail.example.test/EWS\"\nauth = \"kerberos\"\n\
         from = \"ringpost\"\naccess = \"owner\"\nserver_version = \"Exchange 2019\"\nrequest_timeout = \"5m\"\n[store]",
        &[
            "site.toml:24: channel.exchange.url: wants \"https://…\": credentials go there",
            "site.toml:25: channel.exchange.auth: wants \"basic\", \"ntlm\" or \"oauth\", not \"kerberos\"",
            "site.toml:26: channel.exchange.from: wants a mail address such as \"user@example.com\"",
            "site.toml:27: channel.exchange.access: wants \"impersonation\" or \"delegate\", not \"owner\"",
            "site.toml:28: channel.exchange.server_version: wants one of \"Exchange2010_SP1\", \"Exchange2010_SP2\", \
             \"Exchange2013\", \"Exchange2013_SP1\", \"Exchange2016\", not \"Exchange 2019\"",
            "site.toml:29: channel.exchange.request_timeout: must not be longer than 60s",
        ],
    ),
    (
        "mail by tokens of a provider: beside a password, without a secret, without a user",
        "[store]",
        "[channel.one]\nkind = \"smtp\"\nurl = \"smtp://me@mail.example.test\"\nfrom = \"a@b.test\"\nauth = \"xoauth2\"\n\
         token_url = \"https://login.test/t\"\nclient_id = \"app\"\npassword_file = \"site.toml\"\npassword_rest = \"soon\"\n\
         client_secret_file = \"site.toml\"\n\
         [channel.two]\nkind = \"smtp\"\nurl = \"smtp://mail.example.test\"\nfrom = \"a@b.test\"\nauth = \"xoauth2\"\n\
         token_url = \"http://login.test/t\"\nclient_id = \"app\"\n[store]",
        &[
            "site.toml:27: channel.one.token_url: stands beside a password: one of them is enough",
            "site.toml:30: channel.one.password_rest: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", not \"soon\"",
            "site.toml:32: channel.two.client_secret_file: is missing: the application needs a secret, or \
             client_certificate and client_key",
            "site.toml:34: channel.two.url: names no user, so no token is needed",
            "site.toml:37: channel.two.token_url: wants \"https://…\": credentials go there",
        ],
    ),
    (
        "a directory of slips of the pen",
        "[store]",
        "[directory]\nservers = [\"http://dc1\", \"ldap://dc1.test?starttls=never\"]\nbind_name = \"cn=reader\"\n\
         password_file = \"site.toml\"\nbases = [\"users\"]\nfilter = \"objectClass=user\"\nprofile = \"novell\"\n\
         last_digits = 2\n[directory.attributes]\nid = []\nsip = [\"a b\"]\n[directory.users]\n\
         devices = [\"tel:{extension}\", \"sip:{a\"]\nnumbers_of = [\"desk\"]\nonly = [\"sales\"]\n\
         channels = [\"pager\"]\nnumbers_not = [\"police\"]\nnumbers_within = [\"45\"]\n[store]",
        &[
            "site.toml:23: directory.servers[0]: wants \"ldap://host[:port]\" or \"ldaps://host[:port]\"",
            "site.toml:23: directory.servers[1]: starttls=never is for loopback: leave it out, or take ldaps://",
            "site.toml:26: directory.bases[0]: wants a distinguished name such as \"ou=Users,dc=example,dc=com\"",
            "site.toml:27: directory.filter: wants a search filter such as \"(objectClass=user)\" (RFC 4515)",
            "site.toml:28: directory.profile: wants one of \"active-directory\", \"openldap\", not \"novell\"",
            "site.toml:29: directory.last_digits: wants 0 or a number from 4 to 15: fewer digits would name the wrong people",
            "site.toml:31: directory.attributes.id: needs an attribute",
            "site.toml:32: directory.attributes.sip[0]: \"a b\" names no attribute",
            "site.toml:34: directory.users.devices[0]: wants a SIP URI such as \"sip:{extension}@192.0.2.10\"",
            "site.toml:34: directory.users.devices[1]: a \"{\" without its \"}\"",
            "site.toml:35: directory.users.numbers_of[0]: wants one of \"line\", \"proxy\", \"calling_line\", \"telephone\", \
             \"mobile\", \"other_telephone\", \"other_mobile\", \"home\", \"other_home\", \"ip_phone\", \"pager\", \"fax\", \
             not \"desk\"",
            "site.toml:36: directory.users.only[0]: wants \"attribute=value\", or \"attribute=*\"",
            "site.toml:37: directory.users.channels[0]: unknown channel \"pager\"; the site has mail",
            "site.toml:38: directory.users.numbers_not[0]: wants a number such as \"112\"",
            "site.toml:39: directory.users.numbers_within[0]: wants the beginning of numbers with their country, such as \
             \"+454489\"",
        ],
    ),
    (
        "a directory with a password in the file, and without a place to look at",
        "[store]",
        "[directory]\nservers = [\"ldap://[::1]:389\"]\nbind_name = \"cn=reader\"\npassword = \"hunter2\"\n[directory.um]\n\
         transport = \"ws\"\n[store]",
        &[
            "site.toml:22: directory.bases: are none: persons are looked for below them",
            "site.toml:25: directory.password: does not belong into the file: use password_file or \
             RINGPOST_DIRECTORY__PASSWORD",
            "site.toml:27: directory.um.transport: wants \"udp\", \"tcp\" or \"tls\", not \"ws\"",
        ],
    ),
    (
        "Exchange with a password in the file, by Autodiscover in no order",
        "[store]",
        "[channel.exchange]\nkind = \"ews\"\nauth = \"basic\"\nuser = \"a:b\"\npassword = \"hunter2\"\n\
         from = \"ringpost@example.test\"\nautodiscover = [\"dns\"]\n[store]",
        &[
            "site.toml:26: channel.exchange.password: does not belong into the file: use password_file or the environment",
            "site.toml:28: channel.exchange.autodiscover[0]: wants \"domain\", \"host\" or \"redirect\", not \"dns\"",
        ],
    ),
    (
        "Exchange by a token without a secret",
        "[store]",
        "[channel.exchange]\nkind = \"ews\"\nauth = \"oauth\"\ntoken_url = \"ftp://x\"\nclient_id = \"app\"\n\
         client_algorithm = \"none\"\nfrom = \"ringpost@example.test\"\n[store]",
        &[
            "site.toml:22: channel.exchange.client_secret_file: is missing: the application needs a secret, or \
             client_certificate and client_key",
            "site.toml:25: channel.exchange.token_url: wants \"https://…\": credentials go there",
            "site.toml:27: channel.exchange.client_algorithm: wants \"PS256\" or \"RS256\", not \"none\"",
        ],
    ),
    (
        "mailboxes over the phone of slips of the pen",
        "[store]",
        "[[user]]\naddress = \"sip:7@x.test\"\npin = \"12\"\npin_file = \"site.toml\"\n[voicemail]\nlanguage = \"xx\"\n\
         menu_silence = 5\nmax_greeting = \"1h\"\npin_at_own_phone = \"yes\"\npin_tries = 0\npin_lock = \"soon\"\n\
         prompts = \"nowhere\"\n[store]",
        &[
            "site.toml:24: user[1].pin: and pin_file are both set",
            "site.toml:24: user[1].pin: wants at least four digits",
            "site.toml:25: user[1].pin_file: wants at least four digits",
            "site.toml:27: voicemail.language: unknown language \"xx\"; known: en, de, fr, da, es",
            "site.toml:28: voicemail.menu_silence: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", \
             not a number without quotes",
            "site.toml:29: voicemail.max_greeting: must not be longer than 5m",
            "site.toml:30: voicemail.pin_at_own_phone: wants true or false, not text in quotes",
            "site.toml:31: voicemail.pin_tries: wants a number from 1 to 100",
            "site.toml:32: voicemail.pin_lock: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", \
             not \"soon\"",
            "site.toml:33: voicemail.prompts: folder cannot be read: No such file or directory (os error 2)",
        ],
    ),
    (
        "an attendant of slips of the pen",
        "[store]",
        "[attendant.\"front desk\"]\nnumbers = []\nlanguage = \"it\"\ndigits = 99\ntries = 0\nextensions = [\"20-100\", \"+45\"]\n\
         max_call = 5\n[attendant.b]\nnumbers = [\"1001\"]\ngreeting = \"none.wav\"\nkey = \"0\"\n[store]",
        &[
            "site.toml:23: attendant.front desk.numbers: needs at least one entry",
            "site.toml:23: attendant.front desk.numbers: the name \"front desk\" may hold letters, digits, - and _ only",
            "site.toml:24: attendant.front desk.language: unknown language \"it\"; known: en, de, fr, da, es",
            "site.toml:25: attendant.front desk.digits: wants a number from 1 to 15",
            "site.toml:26: attendant.front desk.tries: wants a number from 1 to 10",
            "site.toml:27: attendant.front desk.extensions[0]: wants \"200\" or \"200-299\", both as long",
            "site.toml:27: attendant.front desk.extensions[1]: wants \"200\" or \"200-299\", both as long",
            "site.toml:28: attendant.front desk.max_call: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" \
             or \"1h\", not a number without quotes",
            "site.toml:30: attendant.b.numbers[0]: duplicate of user[0].numbers[0] (line 11)",
            "site.toml:31: attendant.b.greeting: greeting cannot be read: No such file or directory (os error 2)",
            "site.toml:32: attendant.b.key: unknown key; known here: numbers, language, greeting, digits, first_digit, \
             next_digit, tries, operator, extensions, max_call",
        ],
    ),
    (
        "unknown section",
        "[store]",
        "[stores]",
        &[
            "site.toml:22: stores: unknown key; known here: sip, location, outbound, voice_policy, trunk, registrar, um, outbox, channel, mail, \
             notices, directory, user, bypass, attendant, route, routing, policy, feature_codes, store, retention, voicemail, metrics, http, book, security, tls, dns, presence, rcc, identity",
        ],
    ),
    (
        "contacts that cannot be read",
        "[um.plan.lab]\n",
        "[identity]\nfiles = [\"contacts.txt\", 7]\n[um.plan.lab]\n",
        &[
            "site.toml:8: identity.files[0]: wants a file that ends in .csv or .vcf",
            "site.toml:8: identity.files[1]: wants text, not a number without quotes",
        ],
    ),
    (
        "sources of names that lead nowhere",
        "[um.plan.lab]\n",
        "[identity]\norder = [\"users\", \"nobody\", \"users\"]\nrest = \"4\"\nfailures = 0\n\
         [identity.source.own]\nkind = \"ews\"\nchannel = \"mail\"\ntimeout = \"1m\"\n\
         [identity.source.ad]\nkind = \"oracle\"\n[identity.source.book]\nkind = \"file\"\n\
         [identity.source.users]\nkind = \"file\"\nfiles = []\n[um.plan.lab]\n",
        &[
            "site.toml:8: identity.order[1]: unknown source \"nobody\"; the site has users, files, ad, book, own, users",
            "site.toml:8: identity.order[2]: \"users\" is in the list twice",
            "site.toml:9: identity.rest: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", not \
             \"4\"",
            "site.toml:10: identity.failures: wants a number from 1 to 100",
            "site.toml:13: identity.source.own.channel: wants the name of a [channel.NAME] of kind = \"ews\"",
            "site.toml:14: identity.source.own.timeout: must not be longer than 30s",
            "site.toml:16: identity.source.ad.kind: wants one of \"file\", \"ews\", \"graph\", not \"oracle\"",
            "site.toml:17: identity.source.book.files: needs at least one entry",
            "site.toml:20: identity.source.users.kind: the name \"users\" is taken: it is a source of its own",
            "site.toml:21: identity.source.users.files: needs at least one entry",
        ],
    ),
    (
        "a source that the order leaves out",
        "[um.plan.lab]\n",
        "[identity]\norder = [\"users\"]\n[identity.source.ad]\nkind = \"file\"\nfiles = [\"contacts.txt\"]\n[um.plan.lab]\n",
        &[
            "site.toml:8: identity.order: leaves out ad, which would never be asked",
            "site.toml:11: identity.source.ad.files[0]: wants a file that ends in .csv or .vcf",
        ],
    ),
    (
        "a pool of slips of the pen",
        "[um.plan.lab]\n",
        "[um]\nstrategy = \"best\"\nprobe = \"ping\"\nfailures = 0\nprobe_after = \"2m\"\ntimeout = \"0s\"\n[um.plan.lab]\n",
        &[
            "site.toml:8: um.strategy: wants one of random, round-robin",
            "site.toml:9: um.probe: wants one of options, calls",
            "site.toml:10: um.failures: wants a number from 1 to 30",
            "site.toml:11: um.probe_after: must not be longer than probe_longest",
            "site.toml:12: um.timeout: must be longer than zero",
            "site.toml:20: user[0].um_plan: unknown plan \"lab\": the site has no [um.plan.lab]",
        ],
    ),
    (
        "a policy of slips of the pen",
        "language = \"en\"\n",
        "language = \"en\"\n[user.policy]\ndo_not_disturb = \"on\"\nforward_always = \"12 34\"\nring_also = [\"a b\"]\n\
         accept_key = \"1\"\nhunt_step = \"15\"\nforward = \"off\"\n",
        &[
            "site.toml:20: user[0].policy.do_not_disturb: wants \"voicemail\", \"busy\" or \"off\", not \"on\"",
            "site.toml:21: user[0].policy.forward_always: wants a number such as \"+15550101\" or a user part, without \
             spaces",
            "site.toml:22: user[0].policy.ring_also[0]: wants a number such as \"+15550101\" or a user part, without \
             spaces",
            "site.toml:23: user[0].policy.accept_key: wants true or false, not text in quotes",
            "site.toml:24: user[0].policy.hunt_step: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" \
             or \"1h\", not \"15\"",
            "site.toml:25: user[0].policy.forward: unknown key; known here: do_not_disturb, forward_always, \
             forward_busy, forward_no_answer, ring_also, accept_key, hunt, hunt_step, delegates, delegates_after",
        ],
    ),
    (
        "voice mail without UM",
        "um_plan = \"lab\"\nmissed_calls = \"um\"",
        "voicemail_numbers = [\"*1001\"]\npolicy = { forward_busy = \"voicemail\" }",
        &[
            "site.toml:14: user[0].voicemail_numbers: need an um_plan",
            "site.toml:15: user[0].policy: \"voicemail\" needs an um_plan",
        ],
    ),
    (
        "feature codes",
        "[store]",
        "[feature_codes]\nreset = \"72\"\nforward_always = \"*72\"\nforward_busy = \"*72\"\n[policy]\nmax_outside = -1\n[store]",
        &[
            "site.toml:23: feature_codes.reset: wants a code such as \"*72\", not \"72\"",
            "site.toml:25: feature_codes.forward_busy: another feature has this code",
            "site.toml:27: policy.max_outside: wants a number from 0 to 1000",
        ],
    ),
    (
        "a bypass of somebody's number",
        "[mail]\n",
        "[[bypass]]\nnumbers = [\"1001\"]\ntarget = \"fax\"\n[mail]\n",
        &[
            "site.toml:20: bypass[0].numbers[0]: duplicate of user[0].numbers[0] (line 11)",
            "site.toml:21: bypass[0].target: wants a SIP URI such as \"sip:desk@192.0.2.7:5060\"",
        ],
    ),
    (
        "names that nobody could look up",
        "[mail]\n",
        "[dns]\nservers = [\"dns.example.test\", \"0.0.0.0\", \"192.0.2.53:0\"]\ntimeout = \"0s\"\nmax_queries = 0\n\
         cache = 1\nmin_ttl = \"2h\"\n[mail]\n",
        &[
            "site.toml:20: dns.servers[0]: wants the address of a DNS server such as \"192.0.2.53\" or \"192.0.2.53:5353\", \
             not \"dns.example.test\"",
            "site.toml:20: dns.servers[1]: wants the address of a DNS server such as \"192.0.2.53\" or \"192.0.2.53:5353\", \
             not \"0.0.0.0\"",
            "site.toml:20: dns.servers[2]: wants the address of a DNS server such as \"192.0.2.53\" or \"192.0.2.53:5353\", \
             not \"192.0.2.53:0\"",
            "site.toml:21: dns.timeout: must be longer than zero",
            "site.toml:22: dns.max_queries: wants a number from 1 to 100000",
            "site.toml:23: dns.cache: wants a number from 100 to 10000000",
            "site.toml:24: dns.min_ttl: must not be longer than max_ttl",
        ],
    ),
    (
        "datagrams larger than any",
        "[[trunk]]\n",
        "max_udp = \"64KiB\"\nudp_fallback = \"0s\"\ntcp_retry = 5\n[[trunk]]\n",
        &[
            "site.toml:4: sip.max_udp: must be from 548 B to 64.0 KiB",
            "site.toml:5: sip.udp_fallback: must be longer than zero",
            "site.toml:6: sip.tcp_retry: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", not a number \
             without quotes",
        ],
    ),
    (
        "a login that cannot be",
        "language = \"en\"",
        "auth_name = \"a:b\"",
        &[
            "site.toml:18: user[0].auth_name: needs a password or a password_file",
            "site.toml:18: user[0].auth_name: must not hold a quote, a backslash or a colon",
        ],
    ),
    (
        "two users with one login",
        "language = \"en\"",
        "password = \"x\"\n[[user]]\naddress = \"sip:1002@example.test\"\nauth_name = \"1001\"\npassword = \"y\"",
        &["site.toml:22: user[1].password: duplicate of user[0].password (line 18)"],
    ),
    (
        "two passwords",
        "language = \"en\"",
        "password = \"x\"\npassword_file = \"none\"",
        &[
            "site.toml:18: user[0].password: and password_file are both set",
            "site.toml:19: user[0].password_file: cannot be read: No such file or directory (os error 2)",
        ],
    ),
    (
        "registrations that contradict each other",
        "[store]",
        "[registrar]\nrealm = \"a\\\"b\"\nalgorithms = [\"SHA-1\"]\nmin_expires = \"2h\"\nmax_bindings = 0\n[store]",
        &[
            "site.toml:22: registrar.expires: must lie between min_expires and max_expires",
            "site.toml:23: registrar.realm: must not hold a quote or a backslash",
            "site.toml:24: registrar.algorithms[0]: unknown algorithm \"SHA-1\"; known: SHA-256, SHA-512-256, MD5",
            "site.toml:26: registrar.max_bindings: wants a number from 1 to 1000",
        ],
    ),
    (
        "wrong type",
        "domain = \"example.test\"",
        "domain = 7",
        &["site.toml:3: sip.domain: wants text, not a number without quotes"],
    ),
    (
        "a list where text is wanted",
        "um_plan = \"lab\"",
        "um_plan = [\"lab\"]\nforward = \"off\"",
        &["site.toml:14: user[0].um_plan: wants text, not a list"],
    ),
    (
        "a table where a list is wanted",
        "[[user]]",
        "[user]",
        &["site.toml:9: user: wants tables [[user]], not a table"],
    ),
    (
        "duplicate number",
        "[mail]\n",
        "[[user]]\naddress = \"sip:2@example.test\"\nnumbers = [\"1001\"]\n[mail]\n",
        &["site.toml:21: user[1].numbers[0]: duplicate of user[0].numbers[0] (line 11)"],
    ),
    (
        "duplicate address",
        "[mail]\n",
        "[[user]]\naddress = \"sip:1001@EXAMPLE.test\"\n[mail]\n",
        &["site.toml:20: user[1].address: duplicate of user[0].address (line 10)"],
    ),
    (
        "duration without unit",
        "ring_for = \"1s\"",
        "ring_for = \"20\"",
        &[
            "site.toml:13: user[0].ring_for: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", \
         not \"20\"",
        ],
    ),
    (
        "duration as a number",
        "ring_for = \"1s\"",
        "ring_for = 20",
        &[
            "site.toml:13: user[0].ring_for: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", \
         not a number without quotes",
        ],
    ),
    (
        "zero duration",
        "ring_for = \"1s\"",
        "ring_for = \"0s\"",
        &["site.toml:13: user[0].ring_for: must be longer than zero"],
    ),
    (
        "negative duration",
        "ring_for = \"1s\"",
        "ring_for = \"-5s\"",
        &["site.toml:13: user[0].ring_for: must not be negative: \"-5s\""],
    ),
    (
        "unknown plan",
        "um_plan = \"lab\"",
        "um_plan = \"lob\"",
        &["site.toml:14: user[0].um_plan: unknown plan \"lob\"; the site has lab"],
    ),
    (
        "no plan for UM",
        "um_plan = \"lab\"\n",
        "",
        &["site.toml:14: user[0].missed_calls: \"um\" needs an um_plan"],
    ),
    (
        "unknown class",
        "missed_calls = \"um\"",
        "missed_calls = \"UM\"",
        &["site.toml:15: user[0].missed_calls: wants \"um\", \"mail\", \"pbx\" or \"off\", not \"UM\""],
    ),
    (
        "no mail for mail",
        "missed_calls = \"um\"\nmail = \"user1001@example.test\"",
        "missed_calls = \"mail\"",
        &["site.toml:9: user[0].mail: is missing: missed calls are told by mail"],
    ),
    (
        "empty text",
        "mail = \"user1001@example.test\"\n",
        "mail = \"\"\n",
        &["site.toml:16: user[0].mail: is empty"],
    ),
    (
        "unknown time zone",
        "Europe/Copenhagen",
        "Europe/Kobenhavn",
        &[
            "site.toml:17: user[0].time_zone: unknown time zone \"Europe/Kobenhavn\"; wants an IANA name such as \
         \"Europe/Copenhagen\"",
        ],
    ),
    (
        "unknown language",
        "language = \"en\"",
        "language = \"tlh\"",
        &["site.toml:18: user[0].language: unknown language \"tlh\"; known: en, de, fr, da, es"],
    ),
    (
        "bad device",
        "sip:soft@127.0.0.1:6072",
        "soft@127.0.0.1",
        &["site.toml:12: user[0].devices[1]: wants a SIP URI such as \"sip:desk@192.0.2.7:5060\""],
    ),
    (
        "bad server",
        "sip:um@127.0.0.1:6073",
        "sip:um@127.0.0.1:66073",
        &[
            "site.toml:8: um.plan.lab.servers[0]: neither \"embedded\" nor a SIP URI: its port is no number from 1 to 65535",
        ],
    ),
    (
        "bad network",
        "sources = [\"127.0.0.1\"]",
        "sources = [\"10.0.0.0/33\"]",
        &[
            "site.toml:6: trunk[0].sources[0]: wants an address or a network such as \"192.0.2.7\" or \"10.0.0.0/8\", not \
         \"10.0.0.0/33\"",
        ],
    ),
    (
        "R89: two listeners on one port",
        "tcp:127.0.0.1:5060",
        "udp:127.0.0.1:5060",
        &["site.toml:2: sip.listen[1]: listens on the same address and port as sip.listen[0] (line 2)"],
    ),
    (
        "R89: a listener inside a wildcard",
        "tcp:127.0.0.1:5060",
        "udp:0.0.0.0:5060",
        &["site.toml:2: sip.listen[1]: listens on the same address and port as sip.listen[0] (line 2)"],
    ),
    (
        "no listener",
        "\"udp:127.0.0.1:5060\", \"tcp:127.0.0.1:5060\"",
        "",
        &["site.toml:2: sip.listen: needs at least one entry"],
    ),
    (
        "a TLS listener without a certificate, and one on a port that TCP has",
        "\"tcp:127.0.0.1:5060\"",
        "\"tcp:127.0.0.1:5060\", \"ws:127.0.0.1:5060\", \"tls:127.0.0.1:5061\"",
        &[
            "site.toml: tls.certificates: is missing: a tls, wss or https listener needs one",
            "site.toml:2: sip.listen[2]: listens on the same address and port as sip.listen[1] (line 2)",
        ],
    ),
    (
        "bad port",
        "udp:127.0.0.1:5060",
        "udp:127.0.0.1:70000",
        &[
            "site.toml:2: sip.listen[0]: wants \"udp:ADDRESS:PORT\", or tcp, tls, ws or wss in place of udp (IPv6 in brackets, port 1 to \
         65535), not \"udp:127.0.0.1:70000\"",
        ],
    ),
    (
        "a graph channel with a secret in the file, two proofs, plain http and no such delivery",
        "[store]",
        "[channel.online]\nkind = \"graph\"\nfrom = \"um@example.test\"\nurl = \"http://graph.example.test\"\n\
         token_url = \"https://a:b@login.example.test\"\nclient_id = \"app\"\nclient_secret = \"s3cret\"\n\
         client_key = \"app.key\"\nclient_algorithm = \"none\"\ndeliver = \"fax\"\n[store]",
        &[
            "site.toml:22: channel.online.client_certificate: stands beside a secret: one of them is enough",
            "site.toml:25: channel.online.url: wants \"https://…\": credentials go there",
            "site.toml:26: channel.online.token_url: must not hold a user or a password",
            "site.toml:28: channel.online.client_secret: does not belong into the file: use client_secret_file or the environment",
            "site.toml:30: channel.online.client_algorithm: wants \"PS256\" or \"RS256\", not \"none\"",
            "site.toml:31: channel.online.deliver: wants \"mime\", \"json\" or \"inbox\", not \"fax\"",
        ],
    ),
    (
        "rtp range",
        "[store]",
        "[voicemail]\nrtp_ports = \"2000-1999\"\n[store]",
        &["site.toml:23: voicemail.rtp_ports: wants a first port from 1024 and a last port above it"],
    ),
    (
        "no greeting",
        "language = \"en\"",
        "greeting = \"hello.wav\"",
        &["site.toml:18: user[0].greeting: greeting cannot be read: No such file or directory (os error 2)"],
    ),
    (
        "no WAV",
        "language = \"en\"",
        "greeting = \"site.toml\"",
        &["site.toml:18: user[0].greeting: greeting is no WAV file"],
    ),
    (
        "bad mail URL",
        "smtp://127.0.0.1:1025",
        "http://127.0.0.1:1025",
        &["site.toml:20: mail.url: wants \"smtp://[user@]host:port\", \"smtps://…\" or \"maildir:PATH\""],
    ),
    (
        "password in the URL",
        "smtp://127.0.0.1",
        "smtp://me:hunter2@127.0.0.1",
        &[
            "site.toml:20: mail.url: a password does not belong into the URL: use password_file or RINGPOST_MAIL__PASSWORD",
        ],
    ),
    (
        "size without unit",
        "domain =",
        "max_message = \"64\"\ndomain =",
        &["site.toml:3: sip.max_message: wants a size with its unit, such as \"64KiB\", not \"64\""],
    ),
    (
        "several at once",
        "\"example.test\"\n[[trunk]]\nname = \"pbx\"",
        "\"exa mple\"\nmax_calls = 0\nmax_transfers = -1\n[[trunk]]",
        &[
            "site.toml:3: sip.domain: wants a domain such as \"example.com\"",
            "site.toml:4: sip.max_calls: wants a number from 1 to 10000000",
            "site.toml:5: sip.max_transfers: wants a number from 0 to 1000",
            "site.toml:6: trunk[0].name: is missing",
        ],
    ),
    (
        "a line break in a name",
        "um_plan = \"lab\"",
        "um_plan = \"a\\nb\"",
        &["site.toml:14: user[0].um_plan: holds a control character"],
    ),
    (
        "an address that nobody can send to",
        "[store]",
        "[voicemail]\naddress = \"0.0.0.0\"\n[store]",
        &["site.toml:23: voicemail.address: wants an address that peers can send to"],
    ),
    (
        "metrics without a port",
        "[store]\n",
        "[metrics]\nlisten = \"127.0.0.1\"\n[store]\n",
        &["site.toml:23: metrics.listen: wants an address and a port such as \"127.0.0.1:9460\""],
    ),
    (
        "a trunk that calls go out to",
        "sources = [\"127.0.0.1\"]",
        "sources = [\"127.0.0.1\"]\ntarget = \"sip:7@h\"\ne164 = \"+\"\nprefix_out = \"x\"",
        &[
            "site.toml:7: trunk[0].target: wants no user part: the number takes its place",
            "site.toml:8: trunk[0].e164: wants one of as-dialled, plus, digits, national, international",
            "site.toml:9: trunk[0].prefix_out: wants digits, +, * and # only",
        ],
    ),
    (
        "a trunk that says too little",
        "sources = [\"127.0.0.1\"]",
        "target = \"sip:h\"\nlogin = \"me\"\nfailures = 3\nexpires = \"2m\"\nprefixes = [\"0\"]\nnumbers = [\"bob\"]",
        &[
            "site.toml:4: trunk[0].sources: needs at least one entry",
            "site.toml:7: trunk[0].login: needs password_file as well",
            "site.toml:8: trunk[0].failures: means nothing without keep_alive",
            "site.toml:9: trunk[0].expires: means nothing without register",
            "site.toml:10: trunk[0].prefixes[0]: wants the beginning of a number with its country, such as \"+49\"",
            "site.toml:11: trunk[0].numbers[0]: wants a number such as \"+4930123456\" or \"112\"",
        ],
    ),
    (
        "a trunk without a target",
        "sources = [\"127.0.0.1\"]",
        "sources = [\"127.0.0.1\"]\nprefixes = [\"+49\"]",
        &["site.toml:7: trunk[0].prefixes: means nothing without target"],
    ),
    (
        "toll fraud by a slip of the pen",
        "[store]",
        "[outbound]\nallowed_prefixes = [\"0\", \"\", \"x\"]\ncountry = \"+49\"\n[store]",
        &[
            "site.toml:23: outbound.allowed_prefixes[0]: wants the beginning of a number with its country, such as \"+49\"",
            "site.toml:23: outbound.allowed_prefixes[1]: is empty",
            "site.toml:23: outbound.allowed_prefixes[2]: wants the beginning of a number with its country, such as \"+49\"",
            "site.toml:24: outbound.country: wants 1 to 3 digits",
        ],
    ),
    (
        "routes that lead nowhere",
        "[store]",
        "[routing]\nvoice_policy = \"none\"\nprobe_after = \"2m\"\n\
         [voice_policy.all]\nusages = [\"world\", \"local\"]\n[voice_policy.empty]\n\
         [[route]]\nname = \"a\"\npattern = \"(?=1)\"\nusages = [\"local\"]\ngateways = [\"pbx\", \"moon\"]\n\
         [[route]]\nname = \"a\"\npattern = \"+49\"\nusages = []\n[store]",
        &[
            "site.toml:23: routing.voice_policy: unknown voice policy \"none\"; the site has all, empty",
            "site.toml:24: routing.probe_after: must not be longer than probe_longest",
            "site.toml:26: voice_policy.all.usages[0]: unknown usage \"world\": no [[route]] has it",
            "site.toml:27: voice_policy.empty.usages: is missing; an empty list lets nobody call outside",
            "site.toml:30: route[0].pattern: is no regular expression that can be used: look-around, including look-ahead \
             and look-behind, is not supported",
            "site.toml:32: route[0].gateways[0]: the trunk \"pbx\" has no target",
            "site.toml:32: route[0].gateways[1]: unknown gateway \"moon\": the site has no [[trunk]] with a target",
            "site.toml:33: route[1].gateways: needs at least one entry",
            "site.toml:34: route[1].name: duplicate of route[0].name (line 29)",
            "site.toml:35: route[1].pattern: is no regular expression that can be used: repetition operator missing expression",
            "site.toml:36: route[1].usages: needs at least one entry",
        ],
    ),
    (
        "voice policies that nobody defines",
        "sources = [\"127.0.0.1\"]",
        "sources = [\"127.0.0.1\"]\nvoice_policy = \"gold\"\n[[user]]\naddress = \"sip:7@x.test\"\nvoice_policy = \"gold\"",
        &[
            "site.toml:7: trunk[0].voice_policy: unknown voice policy \"gold\": the site has no [voice_policy.gold]",
            "site.toml:10: user[0].voice_policy: unknown voice policy \"gold\": the site has no [voice_policy.gold]",
        ],
    ),
    (
        "channels that nobody can use",
        "[store]",
        "[channel.hook]\nkind = \"webhook\"\nurl = \"http://u:p@h/\"\nsecret = \"x\"\ncontent_type = \"image/png\"\n\
         [channel.fax]\nkind = \"fax\"\n[channel.mail]\nkind = \"maildir\"\npath = \"x\"\nfrom = \"a@b.test\"\n\
         [channel.slow]\nkind = \"smtp\"\nurl = \"maildir:x\"\nfrom = \"a@b.test\"\nfirst_retry = \"9m\"\n\
         [notices]\nchannels = [\"mail\", \"pager\"]\n[store]",
        &[
            "site.toml:22: channel.hook.template: is missing: without one the body is a CloudEvents event",
            "site.toml:24: channel.hook.url: a password does not belong into the URL: use token_file",
            "site.toml:25: channel.hook.secret: does not belong into the file: use secret_file or RINGPOST_CHANNEL__HOOK__SECRET",
            "site.toml:26: channel.hook.content_type: wants a type of JSON, XML, application/x-www-form-urlencoded or \
             text/plain: values are escaped for it",
            "site.toml:28: channel.fax.kind: wants one of \"smtp\", \"maildir\", \"ews\", \"graph\", \"webhook\", not \"fax\"",
            "site.toml:30: channel.mail.kind: the name \"mail\" is taken: [mail] is \"mail\", the user's UM is \"um\"",
            "site.toml:35: channel.slow.url: is a Maildir: that is kind = \"maildir\" with a path",
            "site.toml:37: channel.slow.first_retry: must not be longer than longest_retry",
            "site.toml:39: notices.channels[1]: unknown channel \"pager\"; the site has fax, hook, mail, slow",
        ],
    ),
    (
        "a user whose channels do not reach",
        "mail = \"user1001@example.test\"",
        "channels = [[\"mail\", \"hook\"], \"mail\", 7]",
        &[
            "site.toml:16: user[0].channels[0]: \"mail\" needs the user's mail",
            "site.toml:16: user[0].channels[1]: \"mail\" needs the user's mail",
            "site.toml:16: user[0].channels[2]: wants text, not a number without quotes",
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
            "site.toml:35: user[0].notices.min_ring: unknown key; known here: skip, skip_numbers, own_numbers, quiet, work_days, work_hours, holidays, voice_mail_at_once, tell, voicemail, audio, vcard, digest_calls, digest_within, returned",
        ],
    ),
    (
        "a directory that would be asked in the open, by nobody, or for too much",
        "[store]",
        "[directory]\nservers = [\"ldap://dc.example.test?starttls=never\", \"http://dc.example.test\"]\nbases = [\"dc=x\"]\n\
         bind_name = \"\"\npassword = \"secret\"\nstrategy = \"any\"\nreferrals = [\"ldap://x\"]\n\
         connect_timeout = 5\nmax_message = \"1KiB\"\nfailures = 0\n[store]",
        &[
            "site.toml:23: directory.servers[0]: starttls=never is for loopback: leave it out, or take ldaps://",
            "site.toml:23: directory.servers[1]: wants \"ldap://host[:port]\" or \"ldaps://host[:port]\"",
            "site.toml:25: directory.bind_name: is empty",
            "site.toml:26: directory.password: does not belong into the file: use password_file or RINGPOST_DIRECTORY__PASSWORD",
            "site.toml:27: directory.strategy: wants \"order\" or \"round-robin\", not \"any\"",
            "site.toml:28: directory.referrals[0]: wants the name of a host, not \"ldap://x\"",
            "site.toml:29: directory.connect_timeout: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", not a number without quotes",
            "site.toml:30: directory.max_message: must be from 64.0 KiB to 1.0 GiB",
            "site.toml:31: directory.failures: wants a number from 1 to 100",
        ],
    ),
    (
        "a ticket of Kerberos in a build without it, and a login with an empty password",
        "[store]",
        "[directory]\nservers = [\"ldaps://dc.example.test\"]\nbases = [\"dc=x\"]\ngssapi = true\n[store]",
        &[
            "site.toml:25: directory.gssapi: this Ringpost was built without Kerberos: build it with --features gssapi, or take \
           bind_name and password_file",
        ],
    ),
];
