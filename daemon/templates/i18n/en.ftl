# Around every page.
skip-to-content = Skip to content
languages = Language
in-the-open = This connection is not encrypted: others on the same network can read what you type.
step-of = Step { $here } of { $all }: { $name }
step-is-done = (done)
step-you = Your details
step-password = Password
step-device = Device
step-done = Done
countdown = { $minutes ->
    [0] Less than a minute left
    [one] About one minute left
   *[other] About { $minutes } minutes left
}
countdown-clock = { $time } left
countdown-warning = Less than two minutes left. What you have finished so far is kept.
countdown-over = The time is up.
helper = Questions? { $name } can help:
notices = Open source licences
continue = Continue
copy = Copy
copied = Copied
error-summary = Please check this:

# Without a link, or with one.
paste-title = Set up your VPN access
paste-lead = Open the link in your invitation mail. If that does not work, copy it from the mail and paste it here.
paste-token = Link or token
paste-token-hint = The token is the long row of letters and digits in the mail.
paste-account = Have you chosen a password already?
invitation-title = Welcome, { $first_name }
invitation-by = { $inviter } invites you to the VPN of { $company }.
invitation-device-by = With this link from { $inviter } you connect another device to the VPN of { $company }.
invitation-what = A VPN is a protected connection: with it you reach the company’s systems from home or on the way as if you were there.
invitation-steps = What will happen
invitation-step-you = You check that your details are right.
invitation-step-password = You choose a password.
invitation-step-factor = You set up a second step for signing in. An app is best: have your phone at hand.
invitation-step-device = You connect this computer or phone.
invitation-time = { $minutes ->
    [one] Once you start you have one minute. If you close this page meanwhile, open the link again.
   *[other] This usually takes less than five minutes. Once you start you have { $minutes } minutes. If you close this page meanwhile, open the link again.
}
invitation-is-open = You have started already. Go on where you stopped.
invitation-start = Start here
invitation-go-on = Go on

# The desktop client.
client-title = Or use the desktop client
client-only-title = Use the desktop client
client-only-then = When the client shows your networks, go on here.
client-text = The Defguard client for Windows, macOS and Linux does the same, and keeps your connection up to date.
client-open = Open in the desktop client
client-missing = Not installed yet?
client-download = Get the desktop client
client-by-hand = Nothing opens? Enter it by hand
client-by-hand-text = Choose “Add instance” in the client and paste these two.
client-url = Address (URL)
client-url-copy = Copy the address
client-token = Token
client-token-copy = Copy the token
client-spent = The link for your desktop client has been used. After signing in you can make another one.

# Links that are good for nothing any more.
dead-expired = This link has expired
dead-expired-text = It was not used in time. Nothing is lost: a new link lets you begin.
dead-used = This link has been used
dead-used-text = A link works once, and the time it gives is over. With a new link you go on where you stopped.
dead-done = Your account is set up
dead-done-text = This link has done its work. To connect another device, sign in.
dead-withdrawn = There is a newer link
dead-withdrawn-text = This link was replaced or taken back. Look for a newer mail with another link.
dead-ask-text = We can ask { $name } for a new link on your behalf.
dead-ask = Ask for a new link
asked-title = We have asked for a new link
asked-text = It will come by mail. You can close this page.
unknown-title = This link does not work
unknown-text = Check that you opened the whole link from the mail: sometimes a line break cuts it off.
unknown-paste = Copy the whole link from the mail and paste it here
machine-title = This link is for a machine
machine-lead = It connects { $name } with the command line client.
machine-text = Run this on the machine. It asks nothing and works once.
machine-command = Command

# Details.
you-title = Is this you?
you-name = Name
you-username = Username
you-email = E-mail
you-groups = Groups
you-phone = Phone number (optional)
you-phone-hint = Your administrators see it, and applications that ask for it when you sign in to them.
you-right = Yes, continue
you-wrong = Something is wrong?
you-wrong-text = You can change the phone number here. For everything else, tell { $name } before you go on.

# Password.
password-title = Choose a password
password-lead = Your username is { $username }.
password-field = New password
password-hint = At least 8 characters. Three or four random words are strong and easy to remember.
password-show = Show
password-hide = Hide
password-set = Set password
strength-0 = Very easy to guess
strength-1 = Easy to guess
strength-2 = Could be stronger
strength-3 = Good
strength-4 = Very good

# Device.
device-title = Connect this device
device-lead = Every device gets a key of its own. It is made here in your browser, and the secret part never leaves this device.
device-no-script = Scripts are switched off in this browser, so it cannot make a key. Use the desktop client, or bring a key of your own below.
device-this = This device
device-this-text = Give it a name, and your browser makes the key.
device-name = Name of the device
device-name-hint = So that you recognise it later, for example “{ $first_name }’s phone”.
device-make = Create key and connect
device-skip = Do this later
device-working = One moment …
device-failed = That did not work. Check your connection and try again.
guess-phone = { $first_name }’s phone
guess-tablet = { $first_name }’s tablet
guess-computer = { $first_name }’s computer
own-title = I have my own public key
own-text = For those who make their WireGuard keys themselves. Never paste a private key here.
own-key = Public key
own-key-hint = 44 characters that end in “=”.
own-register = Register this key
lamp-pending = The gateway is getting ready …
lamp-ready = Ready: you can connect now
lamp-connected = Connected
qr-alt = QR code of the configuration for { $location }
qr-too-long = Too long for a QR code: use the file.
result-title = Your device is registered
result-text = Now put the configuration into the WireGuard app.
result-app = Get the WireGuard app
result-save = Save the configuration before you leave this page: it holds your secret key, which nobody can show you again.
result-all = Download all as one archive
result-continue = I have saved it, continue
place-text = On this device, save the file and import it in the WireGuard app. On a phone beside it, scan the code with the app.
place-download = Download file
place-download-bare = Download without the secret key
place-copy = Copy text
place-show = Show the configuration
registered-title = { $device } is registered
registered-lead = If you have saved your configuration, you are ready. Here is how far the connection has come.
registered-placeholder = This is the configuration without your secret key. In place of { $placeholder } belongs the private key of the device.
lost-title = Lost the file or the key?
lost-text = Your browser makes a new key for the same device. Files with the old key stop working.
lost-new-key = Make a new key

# The last page.
done-title = You are all set
done-lead = { $device } may use the VPN.
done-lead-skipped = Your account { $username } is ready. You can add a device later.
done-next = What next
done-next-connect = Switch the connection on in the WireGuard app.
done-next-files = Something not saved?
done-back-to-device = Back to your device
done-next-device = To connect a device, open the desktop client below, or add one after signing in.
done-next-later = Add devices or change your password later:
done-next-close = Then you can close this page.
done-client = Another device?
done-client-text = With this link the Defguard desktop client adds one more device.

# A forgotten password.
reset-link = Forgotten your password?
reset-title = Forgotten your password
reset-lead = Tell us your e-mail address, and we send you a link with which you choose a new one.
reset-email = E-mail address
reset-send = Send the link
reset-remembered = Remembered it? Sign in
reset-sent-title = Check your mail
reset-sent-text = If there is an account for this address, a link is on its way. It is good for 24 hours.
reset-sent-nothing = Nothing arrived after some minutes? Look into the spam folder, or ask your administrator.
reset-to-sign-in = Back to signing in
reset-start-title = Choose a new password
reset-start-text = { $minutes ->
    [one] Once you start you have one minute.
   *[other] Once you start you have { $minutes } minutes.
}
reset-start = Start
reset-dead-title = This link does not work any more
reset-dead-text = It has expired, has been used, or there is a newer one.
reset-again = Ask for another link
reset-choose-title = Choose a new password
reset-done-title = Your password is changed
reset-done-text = Wherever you were signed in you have been signed out. You can close this page.

# What is refused, and what went wrong.
refused-password = Choose a password of at least 8 characters.
refused-password-long = Choose a shorter password: at most 1024 characters.
refused-phone = A phone number has only digits, spaces and + - ( ).
refused-email = Enter an e-mail address, like name@example.com.
refused-device-name = Give the device a name of 1 to 64 characters.
refused-device-taken = You have a device of this name already. Choose another name.
refused-key = This is not a WireGuard public key: 44 characters that end in “=”.
refused-key-of-location = This is the key of the gateway. Your device needs a key of its own.
refused-key-taken = This key is registered already. Make a new one.
refused-too-many-devices = With this link you cannot register any more devices. Ask for a new link.
refused-no-location = There is no place in the VPN for this device at the moment. Please ask for help.
refused-unknown-device = This device is not registered any more. Start again.
refused-no-mail = This server sends no mail, so it cannot send you a link. Please ask your administrator.
refused-skip = A device is needed to finish here.
trouble-home = Go to the start
trouble-refused = That is not possible
trouble-not-found = There is nothing here
trouble-not-found-text = The address is wrong, or the page has moved.
trouble-malformed = That was not understood
trouble-malformed-text = Go back and try again.
trouble-foreign = This was not sent from our page
trouble-foreign-text = For your safety nothing was changed. Go back, reload the page and try again, or open the link in your mail again.
trouble-no-session = Your time is up
trouble-no-session-text = Open the link in your mail again: it takes you back, or tells you what to do.
trouble-no-reset-text = Open the link in your mail again, or ask for another one.
trouble-disabled = This account is disabled
trouble-disabled-text = Please talk to your administrator.
trouble-too-many = Too many attempts
trouble-too-many-text = { $minutes ->
    [one] Please wait a minute and try again.
   *[other] Please wait { $minutes } minutes and try again.
}
trouble-inside = Something went wrong
trouble-inside-text = It is not your fault. Please try again in a moment, and tell your administrator if it happens again.

# Signing in.
sign-in = Sign in
sign-in-title = Sign in
sign-in-lead = Use the account that you set up with your invitation.
sign-in-name = Username or e-mail address
sign-in-password = Password
sign-in-no-password = No password yet?
sign-in-no-password-link = Use the link in your invitation
sign-out = Sign out
account-link = Sign in to your account
trouble-signed-out-text = You are not signed in any more. Please sign in again.
refused-empty = Enter your username and your password.
refused-sign-in = That did not work. Check the name and the password.
refused-sign-in-hint = After ten attempts that failed, the right password does not work for an hour either.
refused-too-often-hint = Wait that long, or use the link for a forgotten password.
refused-too-often = { $minutes ->
    [one] Too many attempts failed. For one minute no password works here, not even the right one.
   *[other] Too many attempts failed. For { $minutes } minutes no password works here, not even the right one.
}

# What is one's own.
me-title = Your account
me-who = You
me-password = Change password
me-password-lead = Every other browser in which you are signed in is signed out. Links for further devices that nobody has used yet stop working.
me-present-password = Current password
refused-present-password = This is not your current password. After ten attempts that failed, the right one does not work for an hour either.
me-devices = Your devices
me-no-devices = You have no device yet. Add one here.
me-no-places = At present it may use no location.
me-change = Change or remove
place-no-address = No address is free. This device connects by itself once one is; if that takes long, ask your administrator
place-idle = Not connected now
place-idle-since = Not connected now, last seen { $ago }
me-sessions = Where you are signed in
me-some-browser = A browser
me-this-browser = This browser
me-session = { $address }, last used { $used }, signed in { $since }
me-end = Sign out
me-end-others = Sign out all others
me-back = Back to your account
me-rename = Save the name
me-remove-title = Not yours any more?
me-remove-text = Remove a device that you lost, sold or do not use.
me-remove = Remove this device
me-remove-sure = Remove { $device }?
me-remove-what = It loses its connection at once. To connect it again, add it anew.
me-keep = Keep it
notice-password = Your password is changed, and every other browser is signed out.
notice-renamed = The device has its new name.
notice-removed = The device is removed.
notice-removing = The device is removed from your account. The gateway has not cut its connection yet and goes on trying: look again in a minute, and tell your administrator if it was lost or stolen.
notice-ended = The session is ended.
ago-moment = just now
ago-minutes = { $count ->
    [one] 1 minute ago
   *[other] { $count } minutes ago
}
ago-hours = { $count ->
    [one] 1 hour ago
   *[other] { $count } hours ago
}
ago-days = { $count ->
    [one] 1 day ago
   *[other] { $count } days ago
}

# A second factor.
code-title = Enter your code
code-lead-app = Open your authenticator app and type the six digits it shows for this account.
code-lead-email = We have sent six digits to your e-mail address. They are good for ten minutes at most.
code-lead-other = Your account asks for more than the password.
code-field = Code of six digits
code-start-again = Start again
recovery-use = Lost your phone? Use a recovery code
recovery-field = Recovery code
recovery-hint = Sixteen letters and digits. Each code works once.
recovery-none = No recovery code either? Ask your administrator to reset your second factor.
refused-no-code = Type the code.
refused-code = That did not work. Check the code, or wait for the next one: each works once.
refused-code-hint = After ten attempts that failed, only a recovery code or a passkey works for an hour.
refused-too-many-codes = { $minutes ->
    [one] Too many wrong codes. For one minute no code from an app or an e-mail works, not even the right one.
   *[other] Too many wrong codes. For { $minutes } minutes no code from an app or an e-mail works, not even the right one.
}
confirm-title = Is it still you?
confirm-lead = Before you change what guards your account, type your password again.
factor-title = Second factor
factor-lead = A second factor is one more step when you sign in. Whoever learns your password cannot get in without it.
factor-owed = Your company asks everybody to set up a second factor. Please do this first.
factor-on = On
factor-state-on = A second step when signing in: it is asked for beside your password.
factor-state-off = Signing in asks for your password only. With a code from your phone in addition, a stolen password is of no use.
factor-change = Change
factor-app = Authenticator app
factor-app-text = An app on your phone shows six digits, other ones every 30 seconds. It works without internet.
factor-app-on = Signing in asks for the six digits that the app shows. A new phone? Remove the app here and set it up again.
factor-email = Codes by e-mail
factor-set-up = Set up
factor-remove = Remove
factor-remove-sure = Remove “{ $factor }”?
factor-remove-what = Signing in does not ask for it any more. Without any second factor your recovery codes go, too.
factor-back = Back to the second factor
notice-factor-removed = The second factor is removed.
set-up-title = Set up an authenticator app
set-up-app = Install an authenticator app on your phone, if you have none: Aegis, 2FAS, Google Authenticator or any other.
set-up-scan = Scan this picture with the app.
set-up-qr-alt = QR code for the authenticator app
set-up-here = The app is on this device? Open it here
set-up-secret = Or type this key into the app
set-up-secret-copy = Copy the key
set-up-code = Type the six digits that the app shows now
set-up-mailed = Type the six digits from our mail
set-up-mailed-hint = It was sent to { $email }, so that nobody who has only your password sets up an app of their own.
set-up-verify = Check and switch on
refused-set-up-code = The code does not match. Type the one the app shows now; if it goes on, check that the clock of your phone is right.
refused-set-up-codes = The two codes are not both right. Type the one the app shows now and the one of the newest mail; to have another one sent, go back and begin again.
recovery-title = Recovery codes
recovery-lead = If you lose your phone, one of these lets you in.
recovery-text = If you lose your phone, a recovery code lets you in, each one once.
recovery-left = { $count ->
    [0] No recovery code is left.
    [one] One recovery code is left.
   *[other] { $count } recovery codes are left.
}
recovery-renew = Make new recovery codes
recovery-once = They are shown now and never again. Keep them where your phone is not. Older codes do not work any more.
recovery-copy = Copy the codes
recovery-print = Print
recovery-saved = I have saved them
factor-email-text = Whenever you sign in, we send six digits to your e-mail address. An app is safer: use this if you cannot have one.
set-up-email-title = Codes by e-mail
set-up-email-lead = We have sent six digits to { $email }. They are good for ten minutes at most.
set-up-email-again = Nothing arrived? Send another code
refused-email-code = The code does not match. Look for the newest mail, or have another code sent.
# One’s own devices, client and particulars.
me-add = Add a device
me-add-no-script = Scripts are switched off in this browser, so it cannot make a key. Bring a key of your own below, or use the desktop client.
me-files = Configuration and key
me-files-text = See the configuration again, or replace the key when a file was lost.
me-files-show = Show the configuration
me-files-lead = This is how the device connects. The secret key is on the device only: if it is lost, make a new one. The files below come without it.
me-own-key = Replace the key with one of my own
me-own-key-text = Whatever still uses the old key is disconnected. Never paste a private key here.
me-own-key-set = Replace the key
result-back = I have saved it, back to your account
me-client = Set up the desktop client
me-client-text = You get a link that works for ten minutes. Keep it to yourself: whoever has it can add devices to your account.
me-client-make = Make a link
me-client-mail = Also send it to { $email }
me-client-link = Your link
me-client-left = { $minutes ->
    [one] Use it within one minute. Whoever has it can add devices to your account.
   *[other] Use it within { $minutes } minutes. Whoever has it can add devices to your account.
}
me-client-lead = The Defguard client for Windows, macOS and Linux connects this computer and keeps its connection up to date.
me-client-left-hours = { $hours ->
    [one] Use it within one hour. Whoever has it can add devices to your account.
   *[other] Use it within { $hours } hours. Whoever has it can add devices to your account.
}
me-client-started = { $minutes ->
    [one] A desktop client has started with it and has one more minute.
   *[other] A desktop client has started with it and has { $minutes } more minutes.
}
me-client-withdraw = Take the link back
me-client-withdraw-text = Not needed any more, or seen by somebody else?
notice-withdrawn = The link is taken back.
me-particulars = Change your details
me-particulars-lead = For everything else, ask your administrator.
me-first-name = Given name
me-last-name = Family name
me-phone = Phone number
me-save = Save
notice-changed = Your details are saved.
refused-person-name = Enter a name of 1 to 64 characters.
refused-device-limit = You have as many devices as you may have. Remove one that you do not use under “Your account”, or ask your administrator.
refused-taken-over = Your administrator set this device up with settings of its own. It goes on working as it is; if it needs another key, ask them.
me-traffic = Last 24 hours: { $came } received, { $went } sent

# Passkeys.
passkeys-title = Passkeys
passkeys-lead = A passkey signs you in with your fingerprint, your face or the PIN of your device, without a password.
passkeys-yours = Your passkeys
passkeys-none = You have no passkey yet.
passkeys-back = Back to your passkeys
passkey-unused = Added { $added }, never used
passkey-used = Last used { $used }, added { $added }
passkey-doubted = Somebody may have a copy of it, so it does not sign you in any more. Remove it, and add a new one.
passkey-add-title = Add a passkey
passkey-add-text = Your browser asks where to keep it: on this device, on your phone or on a security key.
passkey-add = Add a passkey
passkey-name = Name of the passkey
passkey-name-hint = So that you recognise it later, for example “My phone”.
passkey-no-script = A passkey is made by your browser, and that needs JavaScript. Please turn it on for this page.
passkey-not-here = Passkeys need an address that begins with https and has a name. This server is not reached that way; your administrator can change that.
passkey-not-first = First set up an authenticator app or codes by e-mail: that shows that it is you. Then add a passkey.
passkey-remove-text = Remove a passkey of a device that you lost, sold or do not use.
passkey-remove = Remove this passkey
passkey-remove-what = It does not sign you in any more. Your device may go on offering it until you delete it there, too.
passkey-working = Waiting for your device …
passkey-failed = That did not work. Please try again.
passkey-cancelled = No passkey was used. Try again, and follow what your browser shows.
passkey-old-browser = This browser is too old for passkeys. Please use another, or your password.
sign-in-passkey = Sign in with a passkey
sign-in-passkey-text = With your fingerprint, face or PIN instead of the password, if you added a passkey to your account.
refused-passkey = This passkey is not accepted here. Try another one, or sign in with your password.
refused-passkey-other = This passkey is not accepted here. Try another one, or a recovery code.
refused-passkey-add = That passkey was not accepted. Please try again.
refused-passkey-late = That took too long. Please try again.
refused-passkey-name = Give the passkey a name of 1 to 64 characters.
refused-passkey-enough = You have ten passkeys already. Remove one of them first.
refused-passkey-taken = This device has a passkey for your account already.
passkeys-factor = Signing in asks for it beside your password, or takes it alone.
passkeys-text = A passkey is in your phone, your computer or a security key. It signs you in with your fingerprint, your face or a PIN.
passkeys-manage = Your passkeys
code-title-other = One more step
code-passkey-text = Use a passkey that you added to your account.
code-passkey = Use a passkey
notice-passkey-added = The passkey is added. You can sign in with it from now on.
notice-passkey-renamed = The passkey has its new name.
notice-passkey-removed = The passkey is removed.
# Applications that people sign in to.
app-consent-title = Sign in to { $app }
app-consent-lead = { $app } wants to sign you in as { $user }.
app-consent-knows = What { $app } will know
app-consent-hint = You are asked once. Under your account you can remove the access at any time.
app-consent-allow = Allow and go on
app-consent-deny = Cancel
app-scope-openid = That it is you, and how and when you signed in
app-scope-profile = Your name and your username
app-scope-email = Your e-mail address
app-scope-phone = Your phone number
app-scope-groups = The groups you are in
app-scope-offline = It may also ask for this while you are away
app-refused-title = You may not use { $app } yet
app-refused-text = { $app } is for certain groups, and your account is in none of them. If you need it, ask your administrator to add you.
app-refused-back = Back to { $app }
app-back-title = One moment…
app-back-link = Go on
app-sign-out-title = Sign out?
app-sign-out-asked = { $app } asks to sign you out here, too. You may have to sign in to other applications again.
app-sign-out-text = You are about to sign out of your account in this browser.
app-sign-out-stay = Stay signed in
refused-app = The application that sent you here is not known. Go back to it, and tell whoever looks after it.
refused-app-uri = The application that sent you here asks to send you to an address that is not registered for it, so you are not sent there. Tell whoever looks after it.
refused-app-over = This took too long, or something changed meanwhile. Go back to the application and start again.
refused-app-logout = The application asks to send you to an address that is not registered for it. You are still signed in; sign out under your account.
me-apps = Your applications
me-apps-lead = You sign in to these with this account.
me-apps-open = Applications you may open
me-apps-none = There is no application that you may open at present.
me-apps-manage = What they know
me-apps-not-yours = You may not sign in to it any more.
me-apps-knows = You allowed it to know ({ $ago }):
me-apps-withdraw = Remove access
notice-app-withdrawn = Its access is removed. The application has to ask you again.

# Locations that ask for a second factor
second-factor-left-out = Networks that ask for a second factor at each connection: { $locations }. Use the desktop client for these; there is no file for them.
second-factor-only = Every network that you may use asks for a second factor at each connection: { $locations }. Only the desktop client can give it, so set up the desktop client; a configuration file would not get in.
place-second-factor = Asks for a second factor at each connection: connect with the desktop client
place-left-out = Asks for a second factor, which this device cannot give
