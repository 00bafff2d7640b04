# Um jede Seite herum.
skip-to-content = Zum Inhalt springen
languages = Sprache
in-the-open = Diese Verbindung ist nicht verschlüsselt: Andere im selben Netz können mitlesen, was Sie eingeben.
step-of = Schritt { $here } von { $all }: { $name }
step-is-done = (erledigt)
step-you = Ihre Daten
step-password = Passwort
step-device = Gerät
step-done = Fertig
countdown = { $minutes ->
    [0] Weniger als eine Minute übrig
    [one] Noch etwa eine Minute
   *[other] Noch etwa { $minutes } Minuten
}
countdown-clock = Noch { $time }
countdown-warning = Weniger als zwei Minuten übrig. Was Sie schon erledigt haben, bleibt erhalten.
countdown-over = Die Zeit ist abgelaufen.
helper = Fragen? { $name } hilft Ihnen weiter:
notices = Open-Source-Lizenzen
continue = Weiter
copy = Kopieren
copied = Kopiert
error-summary = Bitte prüfen Sie:

# Ohne oder mit Link.
paste-title = VPN-Zugang einrichten
paste-lead = Öffnen Sie den Link in Ihrer Einladungsmail. Falls das nicht klappt, kopieren Sie ihn aus der Mail und fügen Sie ihn hier ein.
paste-token = Link oder Token
paste-token-hint = Das Token ist die lange Folge aus Buchstaben und Ziffern in der Mail.
paste-account = Haben Sie schon ein Passwort gewählt?
invitation-title = Willkommen, { $first_name }
invitation-by = { $inviter } lädt Sie in das VPN von { $company } ein.
invitation-device-by = Mit diesem Link von { $inviter } verbinden Sie ein weiteres Gerät mit dem VPN von { $company }.
invitation-what = Ein VPN ist eine geschützte Verbindung: Damit erreichen Sie die Systeme der Firma von zu Hause oder unterwegs so, als wären Sie vor Ort.
invitation-steps = So läuft es ab
invitation-step-you = Sie prüfen Ihre Daten.
invitation-step-password = Sie wählen ein Passwort.
invitation-step-factor = Sie richten einen zweiten Schritt zum Anmelden ein, am besten mit einer App: Legen Sie Ihr Telefon bereit.
invitation-step-device = Sie verbinden diesen Computer oder dieses Telefon.
invitation-time = { $minutes ->
    [one] Ab dem Start haben Sie eine Minute Zeit. Wenn Sie die Seite zwischendurch schließen, öffnen Sie den Link einfach erneut.
   *[other] Meist dauert das keine fünf Minuten. Ab dem Start haben Sie { $minutes } Minuten Zeit. Wenn Sie die Seite zwischendurch schließen, öffnen Sie den Link einfach erneut.
}
invitation-is-open = Sie haben bereits begonnen. Machen Sie dort weiter, wo Sie aufgehört haben.
invitation-start = Hier starten
invitation-go-on = Weitermachen

# Der Desktop-Client.
client-title = Oder mit dem Desktop-Client
client-only-title = Mit dem Desktop-Client
client-only-then = Sobald der Client Ihre Netze zeigt, geht es hier weiter.
client-text = Der Defguard-Client für Windows, macOS und Linux erledigt dasselbe und hält Ihre Verbindung aktuell.
client-open = Im Desktop-Client öffnen
client-missing = Noch nicht installiert?
client-download = Desktop-Client herunterladen
client-by-hand = Es öffnet sich nichts? Von Hand eingeben
client-by-hand-text = Wählen Sie im Client „Add instance“ und fügen Sie diese beiden Werte ein.
client-url = Adresse (URL)
client-url-copy = Adresse kopieren
client-token = Token
client-token-copy = Token kopieren
client-spent = Der Link für Ihren Desktop-Client wurde bereits verwendet. Nach dem Anmelden können Sie einen neuen erzeugen.

# Links, die nicht mehr gelten.
dead-expired = Dieser Link ist abgelaufen
dead-expired-text = Er wurde nicht rechtzeitig verwendet. Das macht nichts: Mit einem neuen Link können Sie beginnen.
dead-used = Dieser Link wurde bereits verwendet
dead-used-text = Ein Link gilt einmal, und seine Zeit ist vorbei. Mit einem neuen Link machen Sie dort weiter, wo Sie aufgehört haben.
dead-done = Ihr Konto ist eingerichtet
dead-done-text = Dieser Link hat seinen Zweck erfüllt. Für ein weiteres Gerät melden Sie sich an.
dead-withdrawn = Es gibt einen neueren Link
dead-withdrawn-text = Dieser Link wurde ersetzt oder zurückgezogen. Suchen Sie nach einer neueren Mail mit einem anderen Link.
dead-ask-text = Wir können { $name } für Sie um einen neuen Link bitten.
dead-ask = Um einen neuen Link bitten
asked-title = Wir haben um einen neuen Link gebeten
asked-text = Er kommt per Mail. Sie können diese Seite schließen.
unknown-title = Dieser Link funktioniert nicht
unknown-text = Prüfen Sie, ob Sie den ganzen Link aus der Mail geöffnet haben: Manchmal schneidet ein Zeilenumbruch ihn ab.
unknown-paste = Den ganzen Link aus der Mail kopieren und hier einfügen
machine-title = Dieser Link ist für eine Maschine
machine-lead = Er verbindet { $name } über den Kommandozeilen-Client.
machine-text = Führen Sie dies auf der Maschine aus. Der Befehl fragt nichts und funktioniert nur einmal.
machine-command = Befehl

# Daten.
you-title = Sind Sie das?
you-name = Name
you-username = Benutzername
you-email = E-Mail
you-groups = Gruppen
you-phone = Telefonnummer (freiwillig)
you-phone-hint = Ihre Administratoren sehen sie, und Anwendungen, die beim Anmelden danach fragen.
you-right = Ja, weiter
you-wrong = Stimmt etwas nicht?
you-wrong-text = Die Telefonnummer können Sie hier ändern. Alles andere sagen Sie bitte { $name }, bevor Sie weitermachen.

# Passwort.
password-title = Passwort wählen
password-lead = Ihr Benutzername ist { $username }.
password-field = Neues Passwort
password-hint = Mindestens 8 Zeichen. Drei oder vier zufällige Wörter sind sicher und leicht zu merken.
password-show = Anzeigen
password-hide = Verbergen
password-set = Passwort festlegen
strength-0 = Sehr leicht zu erraten
strength-1 = Leicht zu erraten
strength-2 = Könnte stärker sein
strength-3 = Gut
strength-4 = Sehr gut

# Gerät.
device-title = Dieses Gerät verbinden
device-lead = Jedes Gerät bekommt einen eigenen Schlüssel. Er entsteht hier in Ihrem Browser, und sein geheimer Teil verlässt dieses Gerät nie.
device-no-script = In diesem Browser sind Skripte abgeschaltet, deshalb kann er keinen Schlüssel erzeugen. Verwenden Sie den Desktop-Client, oder bringen Sie unten einen eigenen Schlüssel mit.
device-this = Dieses Gerät
device-this-text = Geben Sie ihm einen Namen, und Ihr Browser erzeugt den Schlüssel.
device-name = Name des Geräts
device-name-hint = Damit Sie es später wiedererkennen, zum Beispiel „Telefon von { $first_name }“.
device-make = Schlüssel erzeugen und verbinden
device-skip = Später erledigen
device-working = Einen Moment …
device-failed = Das hat nicht geklappt. Prüfen Sie Ihre Verbindung und versuchen Sie es noch einmal.
guess-phone = Telefon von { $first_name }
guess-tablet = Tablet von { $first_name }
guess-computer = Computer von { $first_name }
own-title = Ich habe einen eigenen öffentlichen Schlüssel
own-text = Für alle, die ihre WireGuard-Schlüssel selbst erzeugen. Fügen Sie hier nie einen privaten Schlüssel ein.
own-key = Öffentlicher Schlüssel
own-key-hint = 44 Zeichen, das letzte ist „=“.
own-register = Diesen Schlüssel registrieren
lamp-pending = Das Gateway bereitet sich vor …
lamp-ready = Bereit: Sie können sich jetzt verbinden
lamp-connected = Verbunden
qr-alt = QR-Code der Konfiguration für { $location }
qr-too-long = Zu lang für einen QR-Code: Verwenden Sie die Datei.
result-title = Ihr Gerät ist registriert
result-text = Übernehmen Sie jetzt die Konfiguration in die WireGuard-App.
result-app = WireGuard-App herunterladen
result-save = Speichern Sie die Konfiguration, bevor Sie diese Seite verlassen: Sie enthält Ihren geheimen Schlüssel, den Ihnen niemand noch einmal zeigen kann.
result-all = Alle als ein Archiv herunterladen
result-continue = Ich habe sie gespeichert, weiter
place-text = Auf diesem Gerät speichern Sie die Datei und importieren sie in der WireGuard-App. Mit einem Telefon daneben scannen Sie den Code in der App.
place-download = Datei herunterladen
place-download-bare = Ohne geheimen Schlüssel herunterladen
place-copy = Text kopieren
place-show = Konfiguration anzeigen
registered-title = { $device } ist registriert
registered-lead = Wenn Sie Ihre Konfiguration gespeichert haben, ist alles bereit. So weit ist die Verbindung:
registered-placeholder = Das ist die Konfiguration ohne Ihren geheimen Schlüssel. An die Stelle von { $placeholder } gehört der private Schlüssel des Geräts.
lost-title = Datei oder Schlüssel verloren?
lost-text = Ihr Browser erzeugt einen neuen Schlüssel für dasselbe Gerät. Dateien mit dem alten Schlüssel funktionieren dann nicht mehr.
lost-new-key = Neuen Schlüssel erzeugen

# Die letzte Seite.
done-title = Alles ist bereit
done-lead = { $device } darf das VPN benutzen.
done-lead-skipped = Ihr Konto { $username } ist bereit. Ein Gerät können Sie später hinzufügen.
done-next = Wie es weitergeht
done-next-connect = Schalten Sie die Verbindung in der WireGuard-App ein.
done-next-files = Etwas nicht gespeichert?
done-back-to-device = Zurück zu Ihrem Gerät
done-next-device = Um ein Gerät zu verbinden, öffnen Sie unten den Desktop-Client, oder fügen Sie es nach dem Anmelden hinzu.
done-next-later = Später Geräte hinzufügen oder das Passwort ändern:
done-next-close = Danach können Sie diese Seite schließen.
done-client = Noch ein Gerät?
done-client-text = Mit diesem Link fügt der Defguard-Desktop-Client ein weiteres Gerät hinzu.

# Ein vergessenes Passwort.
reset-link = Passwort vergessen?
reset-title = Passwort vergessen
reset-lead = Nennen Sie uns Ihre E-Mail-Adresse. Wir schicken Ihnen einen Link, mit dem Sie ein neues Passwort wählen.
reset-email = E-Mail-Adresse
reset-send = Link schicken
reset-remembered = Wieder eingefallen? Anmelden
reset-sent-title = Sehen Sie in Ihr Postfach
reset-sent-text = Wenn es ein Konto mit dieser Adresse gibt, ist ein Link unterwegs. Er gilt 24 Stunden.
reset-sent-nothing = Nach einigen Minuten ist noch nichts da? Sehen Sie im Spam-Ordner nach, oder fragen Sie Ihren Administrator.
reset-to-sign-in = Zurück zum Anmelden
reset-start-title = Neues Passwort wählen
reset-start-text = { $minutes ->
    [one] Ab dem Start haben Sie eine Minute Zeit.
   *[other] Ab dem Start haben Sie { $minutes } Minuten Zeit.
}
reset-start = Starten
reset-dead-title = Dieser Link gilt nicht mehr
reset-dead-text = Er ist abgelaufen, wurde verwendet, oder es gibt einen neueren.
reset-again = Einen anderen Link anfordern
reset-choose-title = Neues Passwort wählen
reset-done-title = Ihr Passwort ist geändert
reset-done-text = Überall, wo Sie angemeldet waren, sind Sie jetzt abgemeldet. Sie können diese Seite schließen.

# Was nicht angenommen wird und was schiefging.
refused-password = Wählen Sie ein Passwort mit mindestens 8 Zeichen.
refused-password-long = Wählen Sie ein kürzeres Passwort: höchstens 1024 Zeichen.
refused-phone = Eine Telefonnummer besteht nur aus Ziffern, Leerzeichen und + - ( ).
refused-email = Geben Sie eine E-Mail-Adresse ein, wie name@example.com.
refused-device-name = Geben Sie dem Gerät einen Namen mit 1 bis 64 Zeichen.
refused-device-taken = Sie haben schon ein Gerät mit diesem Namen. Wählen Sie einen anderen.
refused-key = Das ist kein öffentlicher WireGuard-Schlüssel: 44 Zeichen, das letzte ist „=“.
refused-key-of-location = Das ist der Schlüssel des Gateways. Ihr Gerät braucht einen eigenen.
refused-key-taken = Dieser Schlüssel ist schon registriert. Erzeugen Sie einen neuen.
refused-too-many-devices = Mit diesem Link lassen sich keine weiteren Geräte registrieren. Bitten Sie um einen neuen.
refused-no-location = Im VPN ist für dieses Gerät gerade kein Platz. Bitte fragen Sie um Hilfe.
refused-unknown-device = Dieses Gerät ist nicht mehr registriert. Beginnen Sie neu.
refused-no-mail = Dieser Server verschickt keine Mails und kann Ihnen daher keinen Link schicken. Bitte wenden Sie sich an Ihren Administrator.
refused-skip = Zum Abschluss wird hier ein Gerät gebraucht.
trouble-home = Zum Anfang
trouble-refused = Das ist nicht möglich
trouble-not-found = Hier ist nichts
trouble-not-found-text = Die Adresse stimmt nicht, oder die Seite ist umgezogen.
trouble-malformed = Das wurde nicht verstanden
trouble-malformed-text = Gehen Sie zurück und versuchen Sie es noch einmal.
trouble-foreign = Das kam nicht von unserer Seite
trouble-foreign-text = Zu Ihrer Sicherheit wurde nichts geändert. Gehen Sie zurück, laden Sie die Seite neu und versuchen Sie es noch einmal, oder öffnen Sie den Link in Ihrer Mail erneut.
trouble-no-session = Ihre Zeit ist abgelaufen
trouble-no-session-text = Öffnen Sie den Link in Ihrer Mail noch einmal: Er führt Sie zurück oder sagt Ihnen, was zu tun ist.
trouble-no-reset-text = Öffnen Sie den Link in Ihrer Mail noch einmal, oder fordern Sie einen anderen an.
trouble-disabled = Dieses Konto ist gesperrt
trouble-disabled-text = Bitte sprechen Sie mit Ihrem Administrator.
trouble-too-many = Zu viele Versuche
trouble-too-many-text = { $minutes ->
    [one] Bitte warten Sie eine Minute und versuchen Sie es dann noch einmal.
   *[other] Bitte warten Sie { $minutes } Minuten und versuchen Sie es dann noch einmal.
}
trouble-inside = Etwas ist schiefgegangen
trouble-inside-text = Es liegt nicht an Ihnen. Bitte versuchen Sie es gleich noch einmal, und sagen Sie Ihrem Administrator Bescheid, wenn es wieder passiert.

# Anmelden.
sign-in = Anmelden
sign-in-title = Anmelden
sign-in-lead = Mit dem Konto, das Sie mit Ihrer Einladung eingerichtet haben.
sign-in-name = Benutzername oder E-Mail-Adresse
sign-in-password = Passwort
sign-in-no-password = Noch kein Passwort?
sign-in-no-password-link = Nehmen Sie den Link aus Ihrer Einladung
sign-out = Abmelden
account-link = Bei Ihrem Konto anmelden
trouble-signed-out-text = Sie sind nicht mehr angemeldet. Bitte melden Sie sich noch einmal an.
refused-empty = Geben Sie Ihren Benutzernamen und Ihr Passwort ein.
refused-sign-in = Das hat nicht geklappt. Prüfen Sie Namen und Passwort.
refused-sign-in-hint = Nach zehn Fehlversuchen gilt eine Stunde lang auch das richtige Passwort nicht.
refused-too-often-hint = Warten Sie so lange, oder nehmen Sie den Link für ein vergessenes Passwort.
refused-too-often = { $minutes ->
    [one] Zu viele Fehlversuche. Eine Minute lang gilt hier kein Passwort, auch nicht das richtige.
   *[other] Zu viele Fehlversuche. { $minutes } Minuten lang gilt hier kein Passwort, auch nicht das richtige.
}

# Was einem selbst gehört.
me-title = Ihr Konto
me-who = Sie
me-password = Passwort ändern
me-password-lead = In allen anderen Browsern werden Sie abgemeldet. Links für weitere Geräte, die noch niemand benutzt hat, gelten nicht mehr.
me-present-password = Aktuelles Passwort
refused-present-password = Das ist nicht Ihr aktuelles Passwort. Nach zehn Fehlversuchen gilt eine Stunde lang auch das richtige nicht.
me-devices = Ihre Geräte
me-no-devices = Sie haben noch kein Gerät. Fügen Sie hier eines hinzu.
me-no-places = Zurzeit darf es keinen Standort nutzen.
me-change = Ändern oder entfernen
place-no-address = Keine Adresse ist frei. Sobald es eine gibt, verbindet sich das Gerät von selbst; dauert es lange, fragen Sie Ihren Administrator
place-idle = Zurzeit nicht verbunden
place-idle-since = Zurzeit nicht verbunden, zuletzt gesehen { $ago }
me-sessions = Wo Sie angemeldet sind
me-some-browser = Ein Browser
me-this-browser = Dieser Browser
me-session = { $address }, zuletzt benutzt { $used }, angemeldet { $since }
me-end = Abmelden
me-end-others = Alle anderen abmelden
me-back = Zurück zu Ihrem Konto
me-rename = Namen speichern
me-remove-title = Nicht mehr Ihres?
me-remove-text = Entfernen Sie ein Gerät, das Sie verloren oder verkauft haben oder nicht mehr nutzen.
me-remove = Dieses Gerät entfernen
me-remove-sure = { $device } entfernen?
me-remove-what = Es verliert sofort seine Verbindung. Um es wieder zu verbinden, fügen Sie es neu hinzu.
me-keep = Behalten
notice-password = Ihr Passwort ist geändert, und in allen anderen Browsern sind Sie abgemeldet.
notice-renamed = Das Gerät hat seinen neuen Namen.
notice-removed = Das Gerät ist entfernt.
notice-removing = Das Gerät ist aus Ihrem Konto entfernt. Das Gateway hat seine Verbindung noch nicht getrennt und versucht es weiter: Sehen Sie in einer Minute noch einmal nach, und sagen Sie Ihrem Administrator Bescheid, falls es verloren oder gestohlen wurde.
notice-ended = Die Sitzung ist beendet.
ago-moment = gerade eben
ago-minutes = { $count ->
    [one] vor 1 Minute
   *[other] vor { $count } Minuten
}
ago-hours = { $count ->
    [one] vor 1 Stunde
   *[other] vor { $count } Stunden
}
ago-days = { $count ->
    [one] vor 1 Tag
   *[other] vor { $count } Tagen
}

# Ein zweiter Faktor.
code-title = Code eingeben
code-lead-app = Öffnen Sie Ihre Authentifizierungs-App und tippen Sie die sechs Ziffern ein, die sie für dieses Konto zeigt.
code-lead-email = Wir haben sechs Ziffern an Ihre E-Mail-Adresse geschickt. Sie gelten höchstens zehn Minuten.
code-lead-other = Ihr Konto verlangt mehr als das Passwort.
code-field = Code aus sechs Ziffern
code-start-again = Von vorn beginnen
recovery-use = Telefon verloren? Wiederherstellungscode verwenden
recovery-field = Wiederherstellungscode
recovery-hint = Sechzehn Buchstaben und Ziffern. Jeder Code gilt einmal.
recovery-none = Auch kein Wiederherstellungscode da? Bitten Sie Ihren Administrator, den zweiten Faktor zurückzusetzen.
refused-no-code = Tippen Sie den Code ein.
refused-code = Das hat nicht geklappt. Prüfen Sie den Code oder warten Sie auf den nächsten: Jeder gilt einmal.
refused-code-hint = Nach zehn Fehlversuchen gilt eine Stunde lang nur ein Wiederherstellungscode oder ein Passkey.
refused-too-many-codes = { $minutes ->
    [one] Zu viele falsche Codes. Eine Minute lang gilt kein Code aus einer App oder E-Mail, auch nicht der richtige.
   *[other] Zu viele falsche Codes. { $minutes } Minuten lang gilt kein Code aus einer App oder E-Mail, auch nicht der richtige.
}
confirm-title = Sind Sie es noch?
confirm-lead = Bevor Sie ändern, was Ihr Konto schützt, tippen Sie Ihr Passwort noch einmal ein.
factor-title = Zweiter Faktor
factor-lead = Ein zweiter Faktor ist ein weiterer Schritt beim Anmelden. Wer Ihr Passwort erfährt, kommt ohne ihn nicht hinein.
factor-owed = Ihr Unternehmen verlangt von allen einen zweiten Faktor. Richten Sie ihn bitte zuerst ein.
factor-on = Eingeschaltet
factor-state-on = Ein zweiter Schritt beim Anmelden: Er wird außer dem Passwort verlangt.
factor-state-off = Zum Anmelden genügt Ihr Passwort. Kommt ein Code von Ihrem Telefon dazu, nützt ein gestohlenes Passwort nichts.
factor-change = Ändern
factor-app = Authentifizierungs-App
factor-app-text = Eine App auf Ihrem Telefon zeigt sechs Ziffern, alle 30 Sekunden andere. Sie braucht kein Internet.
factor-app-on = Beim Anmelden werden die sechs Ziffern verlangt, die die App zeigt. Ein neues Telefon? Entfernen Sie die App hier und richten Sie sie neu ein.
factor-email = Codes per E-Mail
factor-set-up = Einrichten
factor-remove = Entfernen
factor-remove-sure = „{ $factor }“ entfernen?
factor-remove-what = Beim Anmelden wird danach nicht mehr gefragt. Ohne zweiten Faktor gelten auch die Wiederherstellungscodes nicht mehr.
factor-back = Zurück zum zweiten Faktor
notice-factor-removed = Der zweite Faktor ist entfernt.
set-up-title = Authentifizierungs-App einrichten
set-up-app = Installieren Sie auf Ihrem Telefon eine Authentifizierungs-App, falls Sie keine haben: Aegis, 2FAS, Google Authenticator oder eine andere.
set-up-scan = Scannen Sie dieses Bild mit der App.
set-up-qr-alt = QR-Code für die Authentifizierungs-App
set-up-here = Ist die App auf diesem Gerät? Hier öffnen
set-up-secret = Oder tippen Sie diesen Schlüssel in die App
set-up-secret-copy = Schlüssel kopieren
set-up-code = Tippen Sie die sechs Ziffern ein, die die App jetzt zeigt
set-up-mailed = Tippen Sie die sechs Ziffern aus unserer Mail ein
set-up-mailed-hint = Sie ist unterwegs an { $email }. So richtet niemand, der nur Ihr Passwort hat, eine eigene App ein.
set-up-verify = Prüfen und einschalten
refused-set-up-code = Der Code passt nicht. Tippen Sie den ein, den die App jetzt zeigt; hilft das nicht, prüfen Sie, ob die Uhr Ihres Telefons richtig geht.
refused-set-up-codes = Es sind nicht beide Codes richtig. Tippen Sie den ein, den die App jetzt zeigt, und den der neuesten Mail; für einen neuen gehen Sie zurück und beginnen von vorn.
recovery-title = { "Wiederherstellungs\u00ADcodes" }
recovery-lead = Wenn Sie Ihr Telefon verlieren, lässt Sie einer davon hinein.
recovery-text = Wenn Sie Ihr Telefon verlieren, lässt Sie ein Wiederherstellungscode hinein, jeder einmal.
recovery-left = { $count ->
    [0] Kein Wiederherstellungscode ist übrig.
    [one] Ein Wiederherstellungscode ist übrig.
   *[other] { $count } Wiederherstellungscodes sind übrig.
}
recovery-renew = Neue Wiederherstellungscodes erzeugen
recovery-once = Sie werden jetzt gezeigt und nie wieder. Bewahren Sie sie dort auf, wo Ihr Telefon nicht ist. Ältere Codes gelten nicht mehr.
recovery-copy = Codes kopieren
recovery-print = Drucken
recovery-saved = Ich habe sie aufbewahrt
factor-email-text = Bei jedem Anmelden schicken wir sechs Ziffern an Ihre E-Mail-Adresse. Eine App ist sicherer: Nehmen Sie dies, wenn Sie keine haben können.
set-up-email-title = Codes per E-Mail
set-up-email-lead = Wir haben sechs Ziffern an { $email } geschickt. Sie gelten höchstens zehn Minuten.
set-up-email-again = Nichts angekommen? Noch einen Code schicken
refused-email-code = Der Code passt nicht. Suchen Sie die neueste Mail oder lassen Sie noch einen Code schicken.
# Eigene Geräte, Client und Angaben.
me-add = Gerät hinzufügen
me-add-no-script = In diesem Browser sind Skripte abgeschaltet, deshalb kann er keinen Schlüssel erzeugen. Bringen Sie unten einen eigenen Schlüssel mit, oder verwenden Sie den Desktop-Client.
me-files = Konfiguration und Schlüssel
me-files-text = Sehen Sie die Konfiguration noch einmal an, oder ersetzen Sie den Schlüssel, wenn eine Datei verloren ging.
me-files-show = Konfiguration anzeigen
me-files-lead = So verbindet sich das Gerät. Den geheimen Schlüssel gibt es nur auf dem Gerät: Ist er verloren, erzeugen Sie einen neuen. Die Dateien unten enthalten ihn nicht.
me-own-key = Den Schlüssel durch einen eigenen ersetzen
me-own-key-text = Was noch den alten Schlüssel benutzt, wird getrennt. Fügen Sie hier nie einen privaten Schlüssel ein.
me-own-key-set = Schlüssel ersetzen
result-back = Ich habe sie gespeichert, zurück zum Konto
me-client = Desktop-Client einrichten
me-client-text = Sie erhalten einen Link, der zehn Minuten lang gilt. Geben Sie ihn nicht weiter: Wer ihn hat, kann Ihrem Konto Geräte hinzufügen.
me-client-make = Link erzeugen
me-client-mail = Auch an { $email } senden
me-client-link = Ihr Link
me-client-left = { $minutes ->
    [one] Benutzen Sie ihn innerhalb einer Minute. Wer ihn hat, kann Ihrem Konto Geräte hinzufügen.
   *[other] Benutzen Sie ihn innerhalb von { $minutes } Minuten. Wer ihn hat, kann Ihrem Konto Geräte hinzufügen.
}
me-client-lead = Der Defguard-Client für Windows, macOS und Linux verbindet diesen Computer und hält die Verbindung aktuell.
me-client-left-hours = { $hours ->
    [one] Benutzen Sie ihn innerhalb einer Stunde. Wer ihn hat, kann Ihrem Konto Geräte hinzufügen.
   *[other] Benutzen Sie ihn innerhalb von { $hours } Stunden. Wer ihn hat, kann Ihrem Konto Geräte hinzufügen.
}
me-client-started = { $minutes ->
    [one] Ein Desktop-Client hat damit begonnen und hat noch eine Minute Zeit.
   *[other] Ein Desktop-Client hat damit begonnen und hat noch { $minutes } Minuten Zeit.
}
me-client-withdraw = Link zurückziehen
me-client-withdraw-text = Nicht mehr nötig, oder hat ihn jemand anders gesehen?
notice-withdrawn = Der Link ist zurückgezogen.
me-particulars = Ihre Angaben ändern
me-particulars-lead = Für alles andere wenden Sie sich an Ihren Administrator.
me-first-name = Vorname
me-last-name = Nachname
me-phone = Telefonnummer
me-save = Speichern
notice-changed = Ihre Angaben sind gespeichert.
refused-person-name = Geben Sie einen Namen mit 1 bis 64 Zeichen ein.
refused-device-limit = Sie haben so viele Geräte, wie Sie haben dürfen. Entfernen Sie unter „Ihr Konto“ eines, das Sie nicht benutzen, oder fragen Sie Ihren Administrator.
refused-taken-over = Ihr Administrator hat dieses Gerät mit eigenen Einstellungen eingerichtet. Es funktioniert weiter wie bisher; braucht es einen anderen Schlüssel, wenden Sie sich an ihn.
me-traffic = Letzte 24 Stunden: { $came } empfangen, { $went } gesendet

# Passkeys.
passkeys-title = Passkeys
passkeys-lead = Mit einem Passkey melden Sie sich ohne Passwort an: mit Fingerabdruck, Gesicht oder der PIN Ihres Geräts.
passkeys-yours = Ihre Passkeys
passkeys-none = Sie haben noch keinen Passkey.
passkeys-back = Zurück zu Ihren Passkeys
passkey-unused = Hinzugefügt { $added }, noch nie benutzt
passkey-used = Zuletzt benutzt { $used }, hinzugefügt { $added }
passkey-doubted = Vielleicht hat jemand eine Kopie davon, deshalb meldet er Sie nicht mehr an. Entfernen Sie ihn, und fügen Sie einen neuen hinzu.
passkey-add-title = Passkey hinzufügen
passkey-add-text = Ihr Browser fragt, wo er aufbewahrt werden soll: auf diesem Gerät, auf Ihrem Telefon oder auf einem Sicherheitsschlüssel.
passkey-add = Passkey hinzufügen
passkey-name = Name des Passkeys
passkey-name-hint = Damit Sie ihn später wiedererkennen, zum Beispiel „Mein Telefon“.
passkey-no-script = Einen Passkey macht Ihr Browser, und dafür braucht er JavaScript. Bitte schalten Sie es für diese Seite ein.
passkey-not-here = Passkeys brauchen eine Adresse, die mit https beginnt und einen Namen hat. So ist dieser Server nicht erreichbar; Ihr Administrator kann das ändern.
passkey-not-first = Richten Sie zuerst eine Authentifizierungs-App oder Codes per E-Mail ein: Das zeigt, dass Sie es sind. Danach fügen Sie einen Passkey hinzu.
passkey-remove-text = Entfernen Sie den Passkey eines Geräts, das Sie verloren oder verkauft haben oder nicht mehr nutzen.
passkey-remove = Diesen Passkey entfernen
passkey-remove-what = Er meldet Sie nicht mehr an. Ihr Gerät bietet ihn vielleicht weiter an, bis Sie ihn auch dort löschen.
passkey-working = Warten auf Ihr Gerät …
passkey-failed = Das hat nicht geklappt. Bitte versuchen Sie es noch einmal.
passkey-cancelled = Es wurde kein Passkey benutzt. Versuchen Sie es noch einmal, und folgen Sie Ihrem Browser.
passkey-old-browser = Dieser Browser ist zu alt für Passkeys. Bitte nehmen Sie einen anderen, oder Ihr Passwort.
sign-in-passkey = Mit einem Passkey anmelden
sign-in-passkey-text = Mit Fingerabdruck, Gesicht oder PIN statt des Passworts, wenn Sie Ihrem Konto einen Passkey hinzugefügt haben.
refused-passkey = Dieser Passkey wird hier nicht angenommen. Nehmen Sie einen anderen, oder melden Sie sich mit Ihrem Passwort an.
refused-passkey-other = Dieser Passkey wird hier nicht angenommen. Nehmen Sie einen anderen oder einen Wiederherstellungscode.
refused-passkey-add = Dieser Passkey wurde nicht angenommen. Bitte versuchen Sie es noch einmal.
refused-passkey-late = Das hat zu lange gedauert. Bitte versuchen Sie es noch einmal.
refused-passkey-name = Geben Sie dem Passkey einen Namen aus 1 bis 64 Zeichen.
refused-passkey-enough = Sie haben schon zehn Passkeys. Entfernen Sie zuerst einen davon.
refused-passkey-taken = Dieses Gerät hat schon einen Passkey für Ihr Konto.
passkeys-factor = Beim Anmelden wird einer außer dem Passwort verlangt, oder er genügt allein.
passkeys-text = Ein Passkey ist in Ihrem Telefon, Ihrem Computer oder einem Sicherheitsschlüssel. Sie melden sich damit durch Fingerabdruck, Gesicht oder eine PIN an.
passkeys-manage = Ihre Passkeys
code-title-other = Noch ein Schritt
code-passkey-text = Nehmen Sie einen Passkey, den Sie Ihrem Konto hinzugefügt haben.
code-passkey = Passkey benutzen
notice-passkey-added = Der Passkey ist hinzugefügt. Ab jetzt können Sie sich damit anmelden.
notice-passkey-renamed = Der Passkey hat seinen neuen Namen.
notice-passkey-removed = Der Passkey ist entfernt.
# Anwendungen, bei denen man sich anmeldet.
app-consent-title = Bei { $app } anmelden
app-consent-lead = { $app } möchte Sie als { $user } anmelden.
app-consent-knows = Was { $app } erfährt
app-consent-hint = Sie werden nur einmal gefragt. In Ihrem Konto können Sie den Zugriff jederzeit entziehen.
app-consent-allow = Erlauben und weiter
app-consent-deny = Abbrechen
app-scope-openid = Dass Sie es sind, und wie und wann Sie sich angemeldet haben
app-scope-profile = Ihren Namen und Ihren Benutzernamen
app-scope-email = Ihre E-Mail-Adresse
app-scope-phone = Ihre Telefonnummer
app-scope-groups = Die Gruppen, zu denen Sie gehören
app-scope-offline = Auch während Sie nicht angemeldet sind
app-refused-title = Sie dürfen { $app } noch nicht benutzen
app-refused-text = { $app } ist für bestimmte Gruppen gedacht, und Ihr Konto gehört zu keiner davon. Wenn Sie es brauchen, bitten Sie Ihren Administrator, Sie hinzuzufügen.
app-refused-back = Zurück zu { $app }
app-back-title = Einen Moment …
app-back-link = Weiter
app-sign-out-title = Abmelden?
app-sign-out-asked = { $app } möchte Sie auch hier abmelden. Bei anderen Anwendungen müssen Sie sich vielleicht neu anmelden.
app-sign-out-text = Sie melden sich in diesem Browser von Ihrem Konto ab.
app-sign-out-stay = Angemeldet bleiben
refused-app = Die Anwendung, von der Sie kommen, ist nicht bekannt. Gehen Sie zu ihr zurück und sagen Sie es denen, die sie betreuen.
refused-app-uri = Die Anwendung, von der Sie kommen, will Sie zu einer Adresse schicken, die nicht für sie eingetragen ist. Deshalb geschieht es nicht. Sagen Sie es denen, die sie betreuen.
refused-app-over = Das hat zu lange gedauert, oder inzwischen hat sich etwas geändert. Gehen Sie zur Anwendung zurück und beginnen Sie noch einmal.
refused-app-logout = Die Anwendung will Sie zu einer Adresse schicken, die nicht für sie eingetragen ist. Sie sind noch angemeldet; melden Sie sich in Ihrem Konto ab.
me-apps = Ihre Anwendungen
me-apps-lead = Bei diesen melden Sie sich mit diesem Konto an.
me-apps-open = Anwendungen, die Sie öffnen dürfen
me-apps-none = Zurzeit gibt es keine Anwendung, die Sie öffnen dürfen.
me-apps-manage = Was sie wissen
me-apps-not-yours = Sie dürfen sich dort nicht mehr anmelden.
me-apps-knows = Sie haben erlaubt, dass sie erfährt ({ $ago }):
me-apps-withdraw = Zugriff entziehen
notice-app-withdrawn = Der Zugriff ist entzogen. Die Anwendung muss Sie erneut fragen.

# Netze, die einen zweiten Faktor verlangen.
second-factor-left-out = Netze, die bei jeder Verbindung einen zweiten Faktor verlangen: { $locations }. Dafür brauchen Sie den Desktop-Client; eine Datei gibt es für sie nicht.
second-factor-only = Jedes Netz, das Sie nutzen dürfen, verlangt bei jeder Verbindung einen zweiten Faktor: { $locations }. Geben kann ihn nur der Desktop-Client: Richten Sie ihn ein. Mit einer Konfigurationsdatei kämen Sie nicht hinein.
place-second-factor = Verlangt bei jeder Verbindung einen zweiten Faktor: Verbinden Sie sich mit dem Desktop-Client
place-left-out = Verlangt einen zweiten Faktor, den dieses Gerät nicht geben kann
