# Wokół każdej strony.
skip-to-content = Przejdź do treści
languages = Język
in-the-open = To połączenie nie jest szyfrowane: inne osoby w tej samej sieci mogą odczytać to, co wpisujesz.
step-of = Krok { $here } z { $all }: { $name }
step-is-done = (gotowe)
step-you = Twoje dane
step-password = Hasło
step-device = Urządzenie
step-done = Gotowe
countdown = { $minutes ->
    [0] Pozostała mniej niż minuta
    [one] Pozostało około minuty
    [few] Pozostało około { $minutes } minut
    [many] Pozostało około { $minutes } minut
   *[other] Pozostało około { $minutes } minuty
}
countdown-clock = Pozostało { $time }
countdown-warning = Pozostały mniej niż dwie minuty. To, co już zrobione, zostanie zachowane.
countdown-over = Czas minął.
helper = Masz pytania? Pomoże { $name }:
notices = Licencje open source
continue = Dalej
copy = Kopiuj
copied = Skopiowano
error-summary = Sprawdź, proszę:

# Bez linku lub z linkiem.
paste-title = Skonfiguruj dostęp do VPN
paste-lead = Otwórz link z wiadomości z zaproszeniem. Jeśli to nie działa, skopiuj go z wiadomości i wklej tutaj.
paste-token = Link lub token
paste-token-hint = Token to długi ciąg liter i cyfr w wiadomości.
paste-account = Masz już hasło?
invitation-title = Witaj, { $first_name }
invitation-by = { $inviter } zaprasza Cię do sieci VPN { $company }.
invitation-device-by = { $inviter } udostępnia Ci ten link: połączysz nim kolejne urządzenie z siecią VPN { $company }.
invitation-what = VPN to chronione połączenie: dzięki niemu z domu lub w podróży korzystasz z systemów firmy tak samo jak na miejscu.
invitation-steps = Co Cię czeka
invitation-step-you = Sprawdzasz swoje dane.
invitation-step-password = Wybierasz hasło.
invitation-step-factor = Ustawisz drugi krok logowania, najlepiej w aplikacji: przygotuj telefon.
invitation-step-device = Łączysz ten komputer lub telefon.
invitation-time = { $minutes ->
    [one] Od rozpoczęcia masz minutę. Jeśli w międzyczasie zamkniesz stronę, otwórz link ponownie.
    [few] Zwykle trwa to krócej niż pięć minut. Od rozpoczęcia masz { $minutes } minuty. Jeśli w międzyczasie zamkniesz stronę, otwórz link ponownie.
    [many] Zwykle trwa to krócej niż pięć minut. Od rozpoczęcia masz { $minutes } minut. Jeśli w międzyczasie zamkniesz stronę, otwórz link ponownie.
   *[other] Zwykle trwa to krócej niż pięć minut. Od rozpoczęcia masz { $minutes } minuty. Jeśli w międzyczasie zamkniesz stronę, otwórz link ponownie.
}
invitation-is-open = Masz już rozpoczętą konfigurację. Wróć do miejsca, w którym została przerwana.
invitation-start = Zacznij tutaj
invitation-go-on = Kontynuuj

# Klient na komputer.
client-title = Albo użyj klienta na komputer
client-only-title = Użyj klienta na komputer
client-only-then = Gdy klient pokaże Twoje sieci, przejdź dalej tutaj.
client-text = Klient Defguard dla systemów Windows, macOS i Linux robi to samo i dba o aktualność połączenia.
client-open = Otwórz w kliencie na komputer
client-missing = Nie masz go jeszcze?
client-download = Pobierz klienta na komputer
client-by-hand = Nic się nie otwiera? Wpisz ręcznie
client-by-hand-text = Wybierz w kliencie „Add instance” i wklej te dwie wartości.
client-url = Adres (URL)
client-url-copy = Kopiuj adres
client-token = Token
client-token-copy = Kopiuj token
client-spent = Link do klienta na komputer został już użyty. Po zalogowaniu możesz utworzyć nowy.

# Linki, które już nie działają.
dead-expired = Ten link wygasł
dead-expired-text = Nie został użyty na czas. Nic straconego: z nowym linkiem możesz zacząć.
dead-used = Ten link został już użyty
dead-used-text = Link działa raz, a jego czas minął. Z nowym linkiem wrócisz do miejsca, w którym konfiguracja została przerwana.
dead-done = Twoje konto jest gotowe
dead-done-text = Ten link spełnił już swoje zadanie. Aby połączyć kolejne urządzenie, zaloguj się.
dead-withdrawn = Jest nowszy link
dead-withdrawn-text = Ten link został zastąpiony lub wycofany. Poszukaj nowszej wiadomości z innym linkiem.
dead-ask-text = Możemy w Twoim imieniu poprosić o nowy link. Pomocą służy { $name }.
dead-ask = Poproś o nowy link
asked-title = Poprosiliśmy o nowy link
asked-text = Przyjdzie e-mailem. Możesz zamknąć tę stronę.
unknown-title = Ten link nie działa
unknown-text = Sprawdź, czy otwierasz cały link z wiadomości: czasem ucina go koniec wiersza.
unknown-paste = Skopiuj cały link z wiadomości i wklej go tutaj
machine-title = Ten link jest dla maszyny
machine-lead = Łączy maszynę { $name } za pomocą klienta wiersza poleceń.
machine-text = Uruchom to na maszynie. O nic nie pyta i działa raz.
machine-command = Polecenie

# Dane.
you-title = Czy to Ty?
you-name = Imię i nazwisko
you-username = Nazwa użytkownika
you-email = E-mail
you-groups = Grupy
you-phone = Numer telefonu (opcjonalnie)
you-phone-hint = Widzą go administratorzy oraz aplikacje, które proszą o niego przy logowaniu.
you-right = Tak, dalej
you-wrong = Coś się nie zgadza?
you-wrong-text = Numer telefonu możesz zmienić tutaj. W pozostałych sprawach, zanim przejdziesz dalej, napisz lub zadzwoń: { $name }.

# Hasło.
password-title = Wybierz hasło
password-lead = Twoja nazwa użytkownika to { $username }.
password-field = Nowe hasło
password-hint = Co najmniej 8 znaków. Trzy lub cztery przypadkowe słowa są bezpieczne i łatwe do zapamiętania.
password-show = Pokaż
password-hide = Ukryj
password-set = Ustaw hasło
strength-0 = Bardzo łatwe do odgadnięcia
strength-1 = Łatwe do odgadnięcia
strength-2 = Mogłoby być silniejsze
strength-3 = Dobre
strength-4 = Bardzo dobre

# Urządzenie.
device-title = Połącz to urządzenie
device-lead = Każde urządzenie ma własny klucz. Powstaje tutaj, w Twojej przeglądarce, a jego tajna część nigdy nie opuszcza tego urządzenia.
device-no-script = Skrypty są w tej przeglądarce wyłączone, więc nie może ona utworzyć klucza. Użyj klienta na komputer albo podaj poniżej własny klucz.
device-this = To urządzenie
device-this-text = Nadaj mu nazwę, a przeglądarka utworzy klucz.
device-name = Nazwa urządzenia
device-name-hint = Po niej rozpoznasz je później, na przykład „{ $first_name }: telefon”.
device-make = Utwórz klucz i połącz
device-skip = Zrobię to później
device-working = Chwileczkę …
device-failed = Nie udało się. Sprawdź połączenie i spróbuj ponownie.
guess-phone = { $first_name }: telefon
guess-tablet = { $first_name }: tablet
guess-computer = { $first_name }: komputer
own-title = Mam własny klucz publiczny
own-text = Dla osób, które same tworzą klucze WireGuard. Nigdy nie wklejaj tutaj klucza prywatnego.
own-key = Klucz publiczny
own-key-hint = 44 znaki zakończone znakiem „=”.
own-register = Zarejestruj ten klucz
lamp-pending = Brama się przygotowuje …
lamp-ready = Gotowe: możesz się teraz połączyć
lamp-connected = Połączono
qr-alt = Kod QR z konfiguracją dla { $location }
qr-too-long = Za długie na kod QR: użyj pliku.
result-title = Urządzenie jest zarejestrowane
result-text = Teraz przenieś konfigurację do aplikacji WireGuard.
result-app = Pobierz aplikację WireGuard
result-save = Zapisz konfigurację, zanim opuścisz tę stronę: zawiera Twój tajny klucz, którego nikt nie pokaże Ci ponownie.
result-all = Pobierz wszystko jako jedno archiwum
result-continue = Mam zapisane, dalej
place-text = Na tym urządzeniu zapisz plik i zaimportuj go w aplikacji WireGuard. Telefonem obok zeskanuj kod w aplikacji.
place-download = Pobierz plik
place-download-bare = Pobierz bez tajnego klucza
place-copy = Kopiuj tekst
place-show = Pokaż konfigurację
registered-title = Urządzenie { $device } jest zarejestrowane
registered-lead = Jeśli konfiguracja jest zapisana, wszystko gotowe. Oto stan połączenia.
registered-placeholder = To konfiguracja bez Twojego tajnego klucza. W miejsce { $placeholder } wpisz klucz prywatny urządzenia.
lost-title = Plik lub klucz zaginął?
lost-text = Przeglądarka utworzy nowy klucz dla tego samego urządzenia. Pliki ze starym kluczem przestaną działać.
lost-new-key = Utwórz nowy klucz

# Ostatnia strona.
done-title = Wszystko gotowe
done-lead = Urządzenie { $device } może korzystać z VPN.
done-lead-skipped = Twoje konto { $username } jest gotowe. Urządzenie możesz dodać później.
done-next = Co dalej
done-next-connect = Włącz połączenie w aplikacji WireGuard.
done-next-files = Coś nie zostało zapisane?
done-back-to-device = Wróć do urządzenia
done-next-device = Aby połączyć urządzenie, otwórz poniżej klienta na komputer albo dodaj je po zalogowaniu.
done-next-later = Później możesz dodać urządzenia lub zmienić hasło:
done-next-close = Potem możesz zamknąć tę stronę.
done-client = Kolejne urządzenie?
done-client-text = Z tym linkiem klient Defguard na komputer doda jeszcze jedno urządzenie.

# Zapomniane hasło.
reset-link = Nie pamiętasz hasła?
reset-title = Nie pamiętam hasła
reset-lead = Podaj swój adres e-mail, a wyślemy link, dzięki któremu wybierzesz nowe hasło.
reset-email = Adres e-mail
reset-send = Wyślij link
reset-remembered = Już pamiętasz? Zaloguj się
reset-sent-title = Sprawdź pocztę
reset-sent-text = Jeśli istnieje konto z tym adresem, link jest już w drodze. Jest ważny 24 godziny.
reset-sent-nothing = Po kilku minutach nic nie przyszło? Zajrzyj do folderu ze spamem lub zapytaj administratora.
reset-to-sign-in = Powrót do logowania
reset-start-title = Wybierz nowe hasło
reset-start-text = { $minutes ->
    [one] Od rozpoczęcia masz minutę.
    [few] Od rozpoczęcia masz { $minutes } minuty.
    [many] Od rozpoczęcia masz { $minutes } minut.
   *[other] Od rozpoczęcia masz { $minutes } minuty.
}
reset-start = Zacznij
reset-dead-title = Ten link już nie działa
reset-dead-text = Wygasł, został użyty albo jest nowszy.
reset-again = Poproś o inny link
reset-choose-title = Wybierz nowe hasło
reset-done-title = Hasło zostało zmienione
reset-done-text = Wszystkie Twoje sesje zostały zakończone. Możesz zamknąć tę stronę.

# Czego nie przyjmujemy i co poszło nie tak.
refused-password = Wybierz hasło, które ma co najmniej 8 znaków.
refused-password-long = Wybierz krótsze hasło: najwyżej 1024 znaki.
refused-phone = Numer telefonu składa się tylko z cyfr, spacji oraz znaków + - ( ).
refused-email = Podaj adres e-mail, na przykład name@example.com.
refused-device-name = Nadaj urządzeniu nazwę od 1 do 64 znaków.
refused-device-taken = Masz już urządzenie o tej nazwie. Wybierz inną.
refused-key = To nie jest klucz publiczny WireGuard: 44 znaki zakończone znakiem „=”.
refused-key-of-location = To klucz bramy. Twoje urządzenie potrzebuje własnego.
refused-key-taken = Ten klucz jest już zarejestrowany. Utwórz nowy.
refused-too-many-devices = Z tym linkiem nie można zarejestrować więcej urządzeń. Poproś o nowy link.
refused-no-location = W sieci VPN nie ma teraz miejsca dla tego urządzenia. Poproś o pomoc.
refused-unknown-device = To urządzenie nie jest już zarejestrowane. Zacznij od nowa.
refused-no-mail = Ten serwer nie wysyła poczty, więc nie może wysłać linku. Zwróć się do administratora.
refused-skip = Aby zakończyć, potrzebne jest urządzenie.
trouble-home = Przejdź na początek
trouble-refused = To nie jest możliwe
trouble-not-found = Tu niczego nie ma
trouble-not-found-text = Adres jest nieprawidłowy albo strona została przeniesiona.
trouble-malformed = Nie udało się tego zrozumieć
trouble-malformed-text = Wróć i spróbuj ponownie.
trouble-foreign = To nie zostało wysłane z naszej strony
trouble-foreign-text = Dla Twojego bezpieczeństwa nic nie zostało zmienione. Wróć, odśwież stronę i spróbuj ponownie albo otwórz jeszcze raz link z wiadomości.
trouble-no-session = Twój czas minął
trouble-no-session-text = Otwórz ponownie link z wiadomości: zaprowadzi Cię z powrotem albo powie, co robić.
trouble-no-reset-text = Otwórz ponownie link z wiadomości albo poproś o inny.
trouble-disabled = To konto jest zablokowane
trouble-disabled-text = Porozmawiaj z administratorem.
trouble-too-many = Zbyt wiele prób
trouble-too-many-text = { $minutes ->
    [one] Odczekaj minutę i spróbuj ponownie.
    [few] Odczekaj { $minutes } minuty i spróbuj ponownie.
    [many] Odczekaj { $minutes } minut i spróbuj ponownie.
   *[other] Odczekaj { $minutes } minuty i spróbuj ponownie.
}
trouble-inside = Coś poszło nie tak
trouble-inside-text = To nie Twoja wina. Spróbuj za chwilę ponownie, a jeśli to się powtórzy, powiadom administratora.

# Logowanie.
sign-in = Zaloguj się
sign-in-title = Logowanie
sign-in-lead = Użyj konta, które powstało z zaproszenia.
sign-in-name = Nazwa użytkownika lub adres e-mail
sign-in-password = Hasło
sign-in-no-password = Nie masz jeszcze hasła?
sign-in-no-password-link = Użyj linku z zaproszenia
sign-out = Wyloguj się
account-link = Zaloguj się na swoje konto
trouble-signed-out-text = Sesja się skończyła. Zaloguj się ponownie.
refused-empty = Podaj nazwę użytkownika i hasło.
refused-sign-in = Nie udało się. Sprawdź nazwę i hasło.
refused-sign-in-hint = Po dziesięciu nieudanych próbach przez godzinę nie działa nawet prawidłowe hasło.
refused-too-often-hint = Odczekaj ten czas albo użyj linku dla zapomnianego hasła.
refused-too-often = { $minutes ->
    [one] Zbyt wiele nieudanych prób. Przez minutę nie zadziała tu żadne hasło, nawet prawidłowe.
    [few] Zbyt wiele nieudanych prób. Przez { $minutes } minuty nie zadziała tu żadne hasło, nawet prawidłowe.
    [many] Zbyt wiele nieudanych prób. Przez { $minutes } minut nie zadziała tu żadne hasło, nawet prawidłowe.
   *[other] Zbyt wiele nieudanych prób. Przez { $minutes } minuty nie zadziała tu żadne hasło, nawet prawidłowe.
}

# To, co własne.
me-title = Twoje konto
me-who = Ty
me-password = Zmień hasło
me-password-lead = We wszystkich innych przeglądarkach nastąpi wylogowanie. Nieużyte jeszcze linki do kolejnych urządzeń przestaną działać.
me-present-password = Obecne hasło
refused-present-password = To nie jest Twoje obecne hasło. Po dziesięciu nieudanych próbach przez godzinę nie działa nawet prawidłowe.
me-devices = Twoje urządzenia
me-no-devices = Nie masz jeszcze urządzenia. Dodaj je tutaj.
me-no-places = Obecnie nie może korzystać z żadnej lokalizacji.
me-change = Zmień lub usuń
place-no-address = Nie ma wolnego adresu. Gdy się pojawi, urządzenie połączy się samo; jeśli to długo trwa, zwróć się do administratora
place-idle = Teraz bez połączenia
place-idle-since = Teraz bez połączenia, ostatnio widziane { $ago }
me-sessions = Aktywne sesje
me-some-browser = Przeglądarka
me-this-browser = Ta przeglądarka
me-session = { $address }, ostatnio używana { $used }, zalogowana { $since }
me-end = Wyloguj
me-end-others = Wyloguj wszystkie pozostałe
me-back = Powrót do konta
me-rename = Zapisz nazwę
me-remove-title = Już nie Twoje?
me-remove-text = Usuń urządzenie, które zostało zgubione, sprzedane lub nie jest już używane.
me-remove = Usuń to urządzenie
me-remove-sure = Usunąć { $device }?
me-remove-what = Połączenie zostanie natychmiast przerwane. Aby połączyć je ponownie, dodaj je od nowa.
me-keep = Zostaw
notice-password = Hasło zostało zmienione, a we wszystkich innych przeglądarkach nastąpiło wylogowanie.
notice-renamed = Urządzenie ma nową nazwę.
notice-removed = Urządzenie zostało usunięte.
notice-removing = Urządzenie zostało usunięte z Twojego konta. Brama nie przerwała jeszcze jego połączenia i próbuje dalej: zajrzyj tu za minutę, a jeśli zostało zgubione lub skradzione, powiadom administratora.
notice-ended = Sesja została zakończona.
ago-moment = przed chwilą
ago-minutes = { $count ->
    [one] 1 minutę temu
    [few] { $count } minuty temu
    [many] { $count } minut temu
   *[other] { $count } minuty temu
}
ago-hours = { $count ->
    [one] 1 godzinę temu
    [few] { $count } godziny temu
    [many] { $count } godzin temu
   *[other] { $count } godziny temu
}
ago-days = { $count ->
    [one] 1 dzień temu
   *[other] { $count } dni temu
}

# Drugi składnik logowania.
code-title = Podaj kod
code-lead-app = Otwórz aplikację uwierzytelniającą i wpisz sześć cyfr, które pokazuje dla tego konta.
code-lead-email = Wysłaliśmy sześć cyfr na Twój adres e-mail. Są ważne najwyżej przez dziesięć minut.
code-lead-other = Twoje konto wymaga czegoś więcej niż hasła.
code-field = Sześciocyfrowy kod
code-start-again = Zacznij od nowa
recovery-use = Nie masz telefonu? Użyj kodu zapasowego
recovery-field = Kod zapasowy
recovery-hint = Szesnaście liter i cyfr. Każdy kod działa raz.
recovery-none = Nie masz też kodu zapasowego? Poproś administratora o zresetowanie drugiego składnika.
refused-no-code = Wpisz kod.
refused-code = Nie udało się. Sprawdź kod albo poczekaj na następny: każdy działa raz.
refused-code-hint = Po dziesięciu nieudanych próbach przez godzinę działa tylko kod zapasowy lub klucz dostępu.
refused-too-many-codes = { $minutes ->
    [one] Zbyt wiele błędnych kodów. Przez minutę nie działa żaden kod z aplikacji ani z e-maila, nawet właściwy.
    [few] Zbyt wiele błędnych kodów. Przez { $minutes } minuty nie działa żaden kod z aplikacji ani z e-maila, nawet właściwy.
   *[other] Zbyt wiele błędnych kodów. Przez { $minutes } minut nie działa żaden kod z aplikacji ani z e-maila, nawet właściwy.
}
confirm-title = Czy to nadal Ty?
confirm-lead = Zanim zmienisz to, co chroni Twoje konto, podaj jeszcze raz hasło.
factor-title = Drugi składnik logowania
factor-lead = Drugi składnik to dodatkowy krok przy logowaniu. Kto pozna Twoje hasło, bez niego się nie zaloguje.
factor-owed = Twoja firma wymaga od wszystkich drugiego składnika logowania. Ustaw go, zanim przejdziesz dalej.
factor-on = Włączony
factor-state-on = Drugi krok podczas logowania: wymagany jest oprócz hasła.
factor-state-off = Do zalogowania wystarcza hasło. Jeśli dodasz kod z telefonu, skradzione hasło na nic się nie przyda.
factor-change = Zmień
factor-app = Aplikacja uwierzytelniająca
factor-app-text = Aplikacja w telefonie pokazuje sześć cyfr, co 30 sekund inne. Działa bez internetu.
factor-app-on = Przy logowaniu podajesz sześć cyfr, które pokazuje aplikacja. Nowy telefon? Usuń tu aplikację i ustaw ją ponownie.
factor-email = Kody e-mailem
factor-set-up = Ustaw
factor-remove = Usuń
factor-remove-sure = Usunąć „{ $factor }”?
factor-remove-what = Przy logowaniu nie będzie już potrzebny. Bez drugiego składnika znikną też kody zapasowe.
factor-back = Wróć do drugiego składnika
notice-factor-removed = Drugi składnik logowania został usunięty.
set-up-title = Ustaw aplikację uwierzytelniającą
set-up-app = Zainstaluj w telefonie aplikację uwierzytelniającą, jeśli jej nie masz: Aegis, 2FAS, Google Authenticator lub inną.
set-up-scan = Zeskanuj ten obrazek aplikacją.
set-up-qr-alt = Kod QR dla aplikacji uwierzytelniającej
set-up-here = Aplikacja jest na tym urządzeniu? Otwórz ją tutaj
set-up-secret = Albo wpisz ten klucz w aplikacji
set-up-secret-copy = Kopiuj klucz
set-up-code = Wpisz sześć cyfr, które aplikacja teraz pokazuje
set-up-mailed = Wpisz sześć cyfr z naszej wiadomości
set-up-mailed-hint = Wysłaliśmy ją na adres { $email }. Dzięki temu nikt, kto zna tylko Twoje hasło, nie ustawi własnej aplikacji.
set-up-verify = Sprawdź i włącz
refused-set-up-code = Kod się nie zgadza. Wpisz ten, który aplikacja pokazuje teraz; jeśli to nie pomaga, sprawdź, czy zegar w telefonie dobrze chodzi.
refused-set-up-codes = Nie oba kody są prawidłowe. Wpisz ten, który aplikacja pokazuje teraz, i ten z najnowszej wiadomości; aby dostać nowy, wróć i zacznij od początku.
recovery-title = Kody zapasowe
recovery-lead = Gdy zgubisz telefon, jeden z nich Cię wpuści.
recovery-text = Gdy zgubisz telefon, wpuści Cię kod zapasowy, każdy raz.
recovery-left = { $count ->
    [0] Nie został żaden kod zapasowy.
    [one] Został jeden kod zapasowy.
    [few] Zostały { $count } kody zapasowe.
   *[other] Zostało { $count } kodów zapasowych.
}
recovery-renew = Utwórz nowe kody zapasowe
recovery-once = Pokazujemy je teraz i nigdy więcej. Przechowuj je tam, gdzie nie ma telefonu. Starsze kody już nie działają.
recovery-copy = Kopiuj kody
recovery-print = Drukuj
recovery-saved = Mam je zapisane
factor-email-text = Przy każdym logowaniu wyślemy sześć cyfr na Twój adres e-mail. Aplikacja jest bezpieczniejsza: wybierz to, jeśli nie możesz jej mieć.
set-up-email-title = Kody e-mailem
set-up-email-lead = Wysłaliśmy sześć cyfr na adres { $email }. Są ważne najwyżej przez dziesięć minut.
set-up-email-again = Nic nie przyszło? Wyślij kolejny kod
refused-email-code = Kod się nie zgadza. Poszukaj najnowszej wiadomości albo wyślij kolejny kod.
# Własne urządzenia, klient i dane.
me-add = Dodaj urządzenie
me-add-no-script = Skrypty są w tej przeglądarce wyłączone, więc nie może ona utworzyć klucza. Podaj poniżej własny klucz albo użyj klienta na komputer.
me-files = Konfiguracja i klucz
me-files-text = Zobacz konfigurację jeszcze raz albo wymień klucz, jeśli plik zaginął.
me-files-show = Pokaż konfigurację
me-files-lead = Tak łączy się to urządzenie. Tajny klucz jest tylko na urządzeniu: jeśli zaginął, utwórz nowy. Poniższe pliki go nie zawierają.
me-own-key = Zamień klucz na własny
me-own-key-text = Wszystko, co jeszcze używa starego klucza, zostanie odłączone. Nigdy nie wklejaj tu klucza prywatnego.
me-own-key-set = Wymień klucz
result-back = Mam zapisane, powrót do konta
me-client = Skonfiguruj klienta na komputer
me-client-text = Otrzymasz link, który działa przez dziesięć minut. Nikomu go nie przekazuj: kto go ma, może dodać urządzenia do Twojego konta.
me-client-make = Utwórz link
me-client-mail = Wyślij go też na { $email }
me-client-link = Twój link
me-client-left = { $minutes ->
    [one] Użyj go w ciągu minuty. Kto go ma, może dodać urządzenia do Twojego konta.
    [few] Użyj go w ciągu { $minutes } minut. Kto go ma, może dodać urządzenia do Twojego konta.
   *[many] Użyj go w ciągu { $minutes } minut. Kto go ma, może dodać urządzenia do Twojego konta.
}
me-client-lead = Klient Defguard dla systemów Windows, macOS i Linux łączy ten komputer i dba o aktualność połączenia.
me-client-left-hours = { $hours ->
    [one] Użyj go w ciągu godziny. Kto go ma, może dodać urządzenia do Twojego konta.
    [few] Użyj go w ciągu { $hours } godzin. Kto go ma, może dodać urządzenia do Twojego konta.
   *[many] Użyj go w ciągu { $hours } godzin. Kto go ma, może dodać urządzenia do Twojego konta.
}
me-client-started = { $minutes ->
    [one] Klient na komputer zaczął z nim i ma jeszcze minutę.
    [few] Klient na komputer zaczął z nim i ma jeszcze { $minutes } minuty.
   *[many] Klient na komputer zaczął z nim i ma jeszcze { $minutes } minut.
}
me-client-withdraw = Wycofaj link
me-client-withdraw-text = Już niepotrzebny albo widział go ktoś inny?
notice-withdrawn = Link został wycofany.
me-particulars = Zmień swoje dane
me-particulars-lead = W pozostałych sprawach zwróć się do administratora.
me-first-name = Imię
me-last-name = Nazwisko
me-phone = Numer telefonu
me-save = Zapisz
notice-changed = Twoje dane zostały zapisane.
refused-person-name = Podaj imię lub nazwisko o długości od 1 do 64 znaków.
refused-device-limit = Masz już tyle urządzeń, ile możesz mieć. Usuń na stronie „Twoje konto” takie, którego nie używasz, albo zwróć się do administratora.
refused-taken-over = Administrator skonfigurował to urządzenie z własnymi ustawieniami. Działa ono dalej tak jak dotąd; jeśli potrzebuje innego klucza, zwróć się do administratora.
me-traffic = Ostatnie 24 godziny: odebrano { $came }, wysłano { $went }

# Klucze dostępu.
passkeys-title = Klucze dostępu
passkeys-lead = Klucz dostępu pozwala zalogować się odciskiem palca, twarzą lub kodem PIN urządzenia, bez hasła.
passkeys-yours = Twoje klucze dostępu
passkeys-none = Nie masz jeszcze klucza dostępu.
passkeys-back = Powrót do kluczy dostępu
passkey-unused = Dodany { $added }, jeszcze nieużywany
passkey-used = Ostatnio użyty { $used }, dodany { $added }
passkey-doubted = Ktoś może mieć jego kopię, dlatego nie można się już nim zalogować. Usuń go i dodaj nowy.
passkey-add-title = Dodaj klucz dostępu
passkey-add-text = Przeglądarka zapyta, gdzie go przechować: na tym urządzeniu, na telefonie czy na kluczu bezpieczeństwa.
passkey-add = Dodaj klucz dostępu
passkey-name = Nazwa klucza dostępu
passkey-name-hint = Aby łatwo go później rozpoznać, na przykład „Mój telefon”.
passkey-no-script = Klucz dostępu tworzy przeglądarka, a do tego potrzebny jest JavaScript. Włącz go dla tej strony.
passkey-not-here = Klucze dostępu wymagają adresu, który zaczyna się od https i ma nazwę. Ten serwer nie jest tak dostępny; administrator może to zmienić.
passkey-not-first = Najpierw ustaw aplikację uwierzytelniającą albo kody e-mailem: to pokazuje, że to Ty. Potem dodaj klucz dostępu.
passkey-remove-text = Usuń klucz dostępu urządzenia, które zostało zgubione, sprzedane lub nie jest już używane.
passkey-remove = Usuń ten klucz dostępu
passkey-remove-what = Nie będzie można się nim zalogować. Urządzenie może go nadal proponować, dopóki nie zostanie usunięty także tam.
passkey-working = Oczekiwanie na urządzenie …
passkey-failed = Nie udało się. Spróbuj ponownie.
passkey-cancelled = Nie użyto klucza dostępu. Spróbuj ponownie i postępuj zgodnie ze wskazówkami przeglądarki.
passkey-old-browser = Ta przeglądarka jest za stara dla kluczy dostępu. Użyj innej albo hasła.
sign-in-passkey = Zaloguj się kluczem dostępu
sign-in-passkey-text = Odciskiem palca, twarzą lub kodem PIN zamiast hasła, jeśli masz na koncie klucz dostępu.
refused-passkey = Ten klucz dostępu nie jest tu przyjmowany. Spróbuj innego albo zaloguj się hasłem.
refused-passkey-other = Ten klucz dostępu nie jest tu przyjmowany. Spróbuj innego albo użyj kodu zapasowego.
refused-passkey-add = Ten klucz dostępu nie został przyjęty. Spróbuj ponownie.
refused-passkey-late = To trwało zbyt długo. Spróbuj ponownie.
refused-passkey-name = Nadaj kluczowi dostępu nazwę o długości od 1 do 64 znaków.
refused-passkey-enough = Masz już dziesięć kluczy dostępu. Najpierw usuń jeden z nich.
refused-passkey-taken = To urządzenie ma już klucz dostępu do Twojego konta.
passkeys-factor = Podczas logowania wymagany jest oprócz hasła albo wystarcza sam.
passkeys-text = Klucz dostępu jest w telefonie, komputerze lub kluczu bezpieczeństwa. Pozwala zalogować się odciskiem palca, twarzą lub kodem PIN.
passkeys-manage = Twoje klucze dostępu
code-title-other = Jeszcze jeden krok
code-passkey-text = Użyj klucza dostępu, który został dodany do konta.
code-passkey = Użyj klucza dostępu
notice-passkey-added = Klucz dostępu został dodany. Od teraz można się nim logować.
notice-passkey-renamed = Klucz dostępu ma nową nazwę.
notice-passkey-removed = Klucz dostępu został usunięty.
# Aplikacje, do których się loguje.
app-consent-title = Zaloguj się do { $app }
app-consent-lead = Aplikacja { $app } chce zalogować Cię jako { $user }.
app-consent-knows = Czego dowie się { $app }
app-consent-hint = Pytamy tylko raz. Na swoim koncie możesz w każdej chwili odebrać dostęp.
app-consent-allow = Zezwól i przejdź dalej
app-consent-deny = Anuluj
app-scope-openid = Że to Ty, oraz jak i kiedy się zalogowano
app-scope-profile = Twoje imię, nazwisko i nazwa użytkownika
app-scope-email = Twój adres e-mail
app-scope-phone = Twój numer telefonu
app-scope-groups = Grupy, do których należysz
app-scope-offline = Może o to pytać także pod Twoją nieobecność
app-refused-title = Nie możesz jeszcze używać aplikacji { $app }
app-refused-text = Aplikacja { $app } jest dla wybranych grup, a Twoje konto do żadnej z nich nie należy. Jeśli jej potrzebujesz, poproś administratora o dodanie.
app-refused-back = Wróć do { $app }
app-back-title = Chwileczkę…
app-back-link = Dalej
app-sign-out-title = Wylogować się?
app-sign-out-asked = Aplikacja { $app } chce wylogować Cię także tutaj. W innych aplikacjach może być konieczne ponowne zalogowanie.
app-sign-out-text = Za chwilę wylogujesz się ze swojego konta w tej przeglądarce.
app-sign-out-stay = Pozostań zalogowanym
refused-app = Aplikacja, z której przychodzisz, nie jest znana. Wróć do niej i powiedz o tym jej opiekunowi.
refused-app-uri = Aplikacja, z której przychodzisz, chce odesłać Cię pod adres, który nie jest dla niej zarejestrowany, więc tego nie robimy. Powiedz o tym jej opiekunowi.
refused-app-over = Trwało to zbyt długo albo coś się w międzyczasie zmieniło. Wróć do aplikacji i zacznij od nowa.
refused-app-logout = Aplikacja chce odesłać Cię pod adres, który nie jest dla niej zarejestrowany. Nadal jesteś zalogowany; wyloguj się na swoim koncie.
me-apps = Twoje aplikacje
me-apps-lead = Do nich logujesz się tym kontem.
me-apps-open = Aplikacje, które możesz otworzyć
me-apps-none = Obecnie nie ma aplikacji, którą możesz otworzyć.
me-apps-manage = Co o Tobie wiedzą
me-apps-not-yours = Nie możesz się już do niej logować.
me-apps-knows = Zezwolono, by wiedziała ({ $ago }):
me-apps-withdraw = Odbierz dostęp
notice-app-withdrawn = Dostęp został odebrany. Aplikacja musi zapytać Cię ponownie.

# Sieci, które wymagają drugiego składnika.
second-factor-left-out = Sieci, które przy każdym połączeniu wymagają drugiego składnika: { $locations }. Do nich służy klient na komputer; pliku do nich nie ma.
second-factor-only = Każda sieć, z której możesz korzystać, przy każdym połączeniu wymaga drugiego składnika: { $locations }. Podać go może tylko klient na komputer, więc go skonfiguruj. Sam plik konfiguracyjny nie wystarczy.
place-second-factor = Przy każdym połączeniu wymaga drugiego składnika: połącz się klientem na komputer
place-left-out = Wymaga drugiego składnika, którego to urządzenie nie może podać
