//! Channels: mail, Exchange, Graph, webhooks, and whom they reach.

use super::Fault;

pub const FAULTS: &[Fault] = &[
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
];
