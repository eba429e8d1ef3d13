//! Directories and sources of names.

use super::Fault;

pub const FAULTS: &[Fault] = &[
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
