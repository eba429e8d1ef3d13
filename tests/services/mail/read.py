#!/usr/bin/env python3
"""read.py PORT USER COUNT: waits until the INBOX has COUNT mails and prints each, parsed, as one line of JSON."""
import email, email.policy, imaplib, json, sys, time
port, user, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for _ in range(150):
    box = imaplib.IMAP4('127.0.0.1', port); box.login(user, 'pw'); box.select('INBOX', readonly=True)
    numbers = box.search(None, 'ALL')[1][0].split()
    if len(numbers) >= count: break
    box.logout(); time.sleep(.1)
for number in numbers:
    mail = email.message_from_bytes(box.fetch(number, '(RFC822)')[1][0][1], policy=email.policy.default)
    parts = [p for p in mail.walk() if not p.is_multipart()]
    print(json.dumps({
        'headers': {k: str(v) for k, v in mail.items()},
        'defects': [str(d) for p in mail.walk() for d in p.defects],
        'types': [p.get_content_type() for p in parts],
        'text': parts[0].get_content(), 'html': parts[1].get_content(),
        'attached': [[p.get_filename(), len(p.get_payload(decode=True))] for p in parts[2:]],
    }))
