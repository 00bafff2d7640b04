//! What the company writes, what a stranger might smuggle in, and what comes out.

use super::*;

#[test]
fn what_the_company_writes_becomes_html() {
    let html = to_html(
        "# Hi Ann\n\nSee [the *guide*](https://x.example/a?b=1&c=2), or\n\n1. call\n2. mail <it@x.example>\n",
    );
    assert_eq!(
        html.replace('\n', ""),
        "<h1>Hi Ann</h1><p>See <a href=\"https://x.example/a?b=1&amp;c=2\" rel=\"noopener noreferrer\">the \
         <em>guide</em></a>, or</p><ol><li>call</li><li>mail <a href=\"mailto:it@x.example\" rel=\"noopener \
         noreferrer\">it@x.example</a></li></ol>"
    );
}

#[test]
fn below_a_heading_every_heading_is_a_level_lower_however_it_was_written() {
    let html = to_html_below_a_heading("# One\n\n## Two\n\n<h1>raw</h1>\n\n###### Six\n\n`<h1>`\n");
    let expected = "<h2>One</h2><h3>Two</h3><h2>raw</h2><h6>Six</h6><p><code>&lt;h1&gt;</code></p>";
    assert_eq!(html.replace('\n', ""), expected);
}

#[test]
fn nothing_that_acts_or_loads_gets_through() {
    for evil in [
        "<script>alert(1)</script>",
        "<p onclick=\"alert(1)\">x</p>",
        "[x](javascript:alert(1))",
        "[x](http://plain.example/)",
        "[x](/relative)",
        "[x](data:text/html,hi)",
        "![x](https://x.example/pixel.png)",
        "<img src=https://x.example/pixel.png>",
        "<style>p { color: red }</style>",
        "<p style=\"position:fixed\" class=\"a\">x</p>",
        "<iframe src=\"https://x.example\"></iframe>",
        "<form action=\"https://x.example\"><input name=a></form>",
        "<svg><use href=\"https://x.example\"/></svg>",
    ] {
        let html = to_html(evil).to_lowercase();
        for word in ["script", "alert", "href", "http", "src", "style", "color", "class", "form", "svg", "<i"]
        {
            assert!(!html.contains(word), "{evil} became {html}, with {word}");
        }
    }
}

#[test]
fn plain_text_keeps_the_shape_and_says_where_links_lead() {
    let text = to_text(
        "# Hi Ann\n\nYour *device* is **ready**: see [the guide](https://x.example/guide).\nMail <it@x.example>.\n\n\
         - one\n- two, which is so long that it has to be broken somewhere near the end of the line or after it\n  - inner\n\n\
         7. seven\n8. eight\n\n## Code\n\n```\nping  a\n```\n\n> said\n",
    );
    assert_eq!(
        text,
        "Hi Ann\n======\n\nYour device is ready: see the guide <https://x.example/guide>. Mail\nit@x.example.\n\n\
         - one\n- two, which is so long that it has to be broken somewhere near the end of\n  the line or after it\n  - inner\n\n\
         7. seven\n8. eight\n\nCode\n----\n\n    ping  a\n\n> said\n"
    );
}

#[test]
fn a_word_that_fits_no_line_keeps_its_own() {
    let link = format!("https://x.example/{}", "a".repeat(90));
    assert_eq!(to_text(&format!("Go to {link} soon.")), format!("Go to\n{link}\nsoon.\n"));
}
