#!/bin/bash
# start.sh FOLDER PLAIN SUBMISSION SMTPS IMAP: Postfix and Dovecot on these ports of 127.0.0.1, everything below FOLDER.
# Submission wants STARTTLS and AUTH, smtps TLS and AUTH; IMAP is plain text on loopback. Users alice and bob @corp.test,
# password "pw"; FOLDER/etc/ca.pem is the root to trust. Needs root (both servers change users). Exit 77: not installed.
set -e
R=$1; PLAIN=$2; SUBMISSION=$3; SMTPS=$4; IMAP=$5
[ "$(id -u)" = 0 ] && [ -x /usr/sbin/postfix ] && [ -x /usr/sbin/dovecot ] && command -v openssl >/dev/null || exit 77
[ -e /usr/lib/dovecot/lmtp ] && [ -e /usr/lib/dovecot/imap ] || exit 77
mkdir -p "$R"/{etc,queue,data,mail,dovecot}; chmod 755 "$R"; chown postfix "$R/data"; chown mail:mail "$R/mail"
cd "$R/etc"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout ca.key -out ca.pem \
  -subj "/CN=Test root" -addext "basicConstraints=critical,CA:true" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout good.key -out good.csr -subj "/CN=mail.corp.test" 2>/dev/null
openssl x509 -req -in good.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out good.pem \
  -extfile <(printf 'subjectAltName=IP:127.0.0.1,DNS:localhost') 2>/dev/null
chmod 600 good.key
cat > "$R/dovecot.conf" <<C
base_dir = $R/dovecot
state_dir = $R/dovecot
log_path = $R/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
passdb {
  driver = static
  args = password=pw
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$R/mail/%n allow_all_users=yes
}
first_valid_uid = 1
first_valid_gid = 1
auth_username_format = %Ln
mail_location = maildir:~/Maildir
service imap-login {
  chroot =
  inet_listener imap {
    port = $IMAP
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
service auth {
  unix_listener sasl {
    mode = 0666
  }
}
service anvil {
  chroot =
}
C
cat > "$R/etc/main.cf" <<C
compatibility_level = 3.6
queue_directory = $R/queue
data_directory = $R/data
mail_owner = postfix
setgid_group = postdrop
maillog_file_prefixes = /var, /dev/stdout, $R
maillog_file = $R/maillog
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.corp.test
mydestination =
virtual_mailbox_domains = corp.test
virtual_mailbox_maps = inline:{ {alice@corp.test = OK}, {bob@corp.test = OK} }
virtual_transport = lmtp:unix:$R/dovecot/lmtp
smtpd_sasl_type = dovecot
smtpd_sasl_path = $R/dovecot/sasl
smtpd_tls_cert_file = $R/etc/good.pem
smtpd_tls_key_file = $R/etc/good.key
smtpd_tls_security_level = may
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
default_transport = error:5.7.1 no outside world here
message_size_limit = 20480000
smtputf8_enable = yes
C
AUTH="-o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject"
cat > "$R/etc/master.cf" <<C
127.0.0.1:$PLAIN inet n - n - - smtpd
127.0.0.1:$SUBMISSION inet n - n - - smtpd -o smtpd_tls_security_level=encrypt $AUTH
127.0.0.1:$SMTPS inet n - n - - smtpd -o smtpd_tls_wrappermode=yes $AUTH
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
C
/usr/sbin/dovecot -F -c "$R/dovecot.conf" >"$R/dovecot.out" 2>&1 & echo $! > "$R/dovecot.pid"
/usr/sbin/postfix -c "$R/etc" start >"$R/postfix.out" 2>&1 || { cat "$R/postfix.out" >&2; exit 1; }
for p in $PLAIN $SUBMISSION $SMTPS $IMAP; do
  for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null && continue 2; sleep .1; done
  echo "no port $p" >&2; tail -n5 "$R/dovecot.out" "$R/dovecot.log" "$R/maillog" >&2; exit 1
done
