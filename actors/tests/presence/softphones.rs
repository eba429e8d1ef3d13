//! Real phones that watch: baresip's contacts and linphone's friends.
