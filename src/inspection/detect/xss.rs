//! Script and active markup where text belongs.

use super::{Class, Reading, rules::Rule};

/// Elements that run, load or change the page they stand in.
const ACTIVE: &str = "script|iframe|frameset|frame|object|embed|applet|isindex|bgsound|vmlframe|foreignobject|layer|ilayer|xss|svg|math|meta|base|link|style|form|input|button|textarea|select|keygen|body|html|head|title|video|audio|source|track|marquee|blink|template|noscript|plaintext|xmp|listing|details|dialog|import|handler|listener|xml|animate|set|portal|image|param|frameset|noembed|noframes|event-source|comment|var|mathml|use|maction|datalist|menuitem|area|map|command|rb|xslt";
/// Events that pages fire by themselves or at a touch.
const EVENT: &str = r"on(?:[a-z]{0,12}(?:error|load|click|mouse[a-z]+|focus(?:in|out)?|blur|key[a-z]+|change|submit|input|toggle|start|end|scroll|resize|zoom|wheel|drag\w*|drop|paste|copy|cut|show|hide|message|hashchange|popstate|pointer\w+|touch\w+|animation\w*|transition\w*|begin|finish|bounce|invalid|search|select|play\w*|canplay\w*|ended|seek\w*|progress|context\w*|activate))";

/// Letters of a scheme may stand apart: browsers skip tabs and line ends between them.
fn scheme(name: &str) -> String {
    name.chars().map(|letter| letter.to_string()).collect::<Vec<_>>().join(r"[\t\r\n]*")
}

pub(super) fn rules() -> Vec<Rule> {
    let script_scheme = format!("(?:{}|{}|{})", scheme("javascript"), scheme("vbscript"), scheme("livescript"));
    let call = r"(?:alert|prompt|confirm)";
    let rule = |anchors: &str, pattern: &str| Rule::new(Class::Xss, anchors, pattern);
    vec![
        // A tag with a handler, or one that is active by itself.
        rule("< & on & =", r"<[!?%/]?[a-z](?:[^<>]*[\s/\x22'`])?on[a-z]+[\s/]*="),
        rule(
            "< & srcdoc formaction xlink datasrc dynsrc lowsrc fscommand ev:event contenteditable autofocus accesskey attributename http-equiv",
            r"<[!?%/]?[a-z][^<>]*\b(?:srcdoc|formaction|xlink:href|datasrc|dynsrc|lowsrc|fscommand|ev:event|contenteditable|autofocus|accesskey|attributename|http-equiv)\b",
        ),
        rule(
            "< & style & =",
            r"<[!?%/]?[a-z][^<>]*[\s\x22'/]style\s*=[^<>]*(?:expression\s*[(/\\]|behaviou?r\s*:|-moz-binding|script:|url\s*\(\s*['\x22]?(?:data|\w*script):|position\s*:|animation)",
        ),
        rule("<", &format!(r"<[\s/]*(?:{ACTIVE})(?:[\s/>\x22'\\:;]|$)")),
        rule(
            "<",
            r"<\s*(?:script|iframe|svg|img|object|embed|body|input)\b[^>]*$|<\s*/?\s*s\s?c\s?r\s?i\s?p\s?t|<<\s*\w|<[a-z]+/+[a-z]+\s*=",
        ),
        rule(
            "<? <! <%",
            r"<\?(?:import|xml)|<!--\s*#\s*(?:set|exec|echo|include|printenv|fsize|flastmod)|<!--\[if|<!(?:entity|doctype\s+\w+\s*\[)|<!\[cdata\[",
        ),
        rule("xmlns xlink: & <", r"<[a-z][^<>]*\bxmlns(?::\w+)?\s*(?:=|>)|xlink:"),
        // An attribute that ends where the value did not.
        rule("on & =", &format!(r"(?:^|[\x22'`<])[\s/]*{EVENT}\s*=")),
        rule(
            "on & =",
            &format!(
                r"(?:^|[\s;])(?:{EVENT})\s*=\s*['\x22`]?\s*(?:alert|prompt|confirm|eval|javascript|document|window|\\|this)"
            ),
        ),
        // Schemes that run.
        rule(
            ": & script scrip scri scr s\t s\n & jav ja vb li \t \n",
            &format!(r"(?:^|[=\x22'(,;>/*\s:`\x80-\xff]){script_scheme}[\t\r\n]*:[^\s]"),
        ),
        rule("= \" ' ( & script & jav vb live", &format!(r"(?:[=\x22'(]\s*)[^\s\x22'<>=(]{{0,16}}{script_scheme}")),
        rule(
            ": & \t \r \n & ja j\t j\n jav",
            r"(?:j[\t\r\n]+a|ja[\t\r\n]+v|jav[\t\r\n]+a|java[\t\r\n]+s|javas[\t\r\n]+c|javasc[\t\r\n]+r|javascr[\t\r\n]+i)[a-z\t\r\n]*t[\t\r\n]*:",
        ),
        rule(
            "jav & cript & :",
            r"=\s*['\x22]?\s*j?av\s*a?\s*s?\s+(?:java)?s?cript\s*:|\bjav\s+ascript\s*:|^\s*javascript\s*:",
        ),
        rule(
            "data & : & , /",
            r"data\s*:\s*(?:text/(?:html|xml|javascript|vbscript)|application/(?:xhtml|xml|x-javascript|javascript)|[^\s]{0,12},[^\s]{0,24}(?:<|alert))",
        ),
        // Script without a tag around it.
        rule(
            "alert prompt confirm & ( `",
            &format!(
                r"(?:^|[^\w.$]|\b(?:window|top|self|this|parent|frames)\s*\.\s*){call}\s*(?:\(|`)\s*(?:\d|/|`|\)|document\s*\.|location|origin|['\x22`]+(?:xss|hi|hello|\d|pwn|injectx|test|\))|string\.|_|this\.|self\.|cookie|\$)"
            ),
        ),
        rule(
            "alert prompt confirm & ( ` ] )",
            &format!(r"(?:['\x22`;}}\]]|\\')\s*[-+*/;|&,^%(]\s*{call}\s*[(`]|[\[(,=]\s*['\x22]?{call}['\x22]?\s*[\])]"),
        ),
        rule(
            "alert prompt confirm eval & ( `",
            r"(?:^|[;{}>])\s*(?:alert|prompt|confirm|eval)\s*[(`]|\b(?:throw\b|with\s*\(|void\b|onerror\s*=|new\s+function\b)[^\n]{0,60}(?:alert|eval)\s*[(`;]",
        ),
        rule("alert prompt confirm & < & ( `", r"<[^>]*(?:alert|prompt|confirm)\s*[(`]"),
        rule(
            "document string innerhtml & . [ =",
            r"document\s*(?:\.\s*(?:cookie|domain|write(?:ln)?\s*\(|location)|\[)|string\s*\.\s*fromcharcode|innerhtml\s*=\s*(?:location|name|['\x22`]?<|\w*hash)",
        ),
        rule(
            "eval settimeout setinterval function atob & (",
            r"\b(?:eval|settimeout|setinterval|function|atob)\s*\(\s*(?:location|atob|string|name\b|unescape|decodeuri|['\x22]\\|alert|['\x22](?:alert|ale)|src\b|alt\b|\+|/)",
        ),
        rule(
            "self window top parent this frames globalthis document & [ ( = .",
            r"\b(?:self|window|top|parent|this|frames|globalthis)\s*\[\s*(?:['\x22`/]|\w+\s*\[|\d)[^\]]*\]\s*[(\[`]|^\s*(?:window|document|self|top)\.\w+\s*;?\s*$|\b(?:window|self|top|parent)\.(?:open|name|location)\s*[(=]",
        ),
        rule(
            "location & = hash search",
            r"\blocation(?:\.href)?\s*=\s*['\x22`]?(?:name|javascript|//|\w+script|http)|\blocation\.(?:hash|search)\s*[.)]",
        ),
        rule(
            "expression -moz-binding @import & ( : / ' \"",
            r"\bexpression\s*\(\s*(?:alert|write|eval|document|window|prompt|confirm|javascript|open|\w+\.\w+\()|-moz-binding\s*:\s*url|@import\s*(?:url\s*\()?\s*['\x22]?\s*(?:\w*script:|data:|//|http)",
        ),
        rule(
            "constructor {{ ${ &{ onready",
            r"\$\s*\{\s*alert|constructor\s*(?:\.\s*constructor|\[\s*['\x22]constructor)|\{\{\s*(?:constructor|\$on|\$eval|tostring|\[\]|\d+\s*\*\s*\d)|onreadystatechange\s*=|&\{\s*\w+\(",
        ),
        rule(
            "src href action data background code content & < & =",
            r"<[a-z][^<>]*\s(?:href|src|action|data|background|code|content)\s*=\s*['\x22]?[^<>'\x22\s]*(?:\.sct|\.htc|\.svg#|//\d{5,}|//0x|^//)|<[a-z][^<>]*\s(?:src|background)\s*=\s*['\x22]?(?:x\b|#|//|1\b|\?|xx?:)",
        ),
        rule(
            "script xss '> \"> & < > :",
            r"</script|\bscript\s*[>(]\s*alert|<[^>]*script\s*[:>]|\bxss\b[^\n]*script|['\x22]\s*/?>\s*<",
        ),
        rule(
            "createelement appendchild xmlhttprequest image unescape .src document. fetch( & ( =",
            r"\.createelement\s*\(|\.appendchild\s*\(|new\s+xmlhttprequest|new\s*\(?\s*image\b|\bunescape\s*\(|\]?\.src\s*=\s*['\x22`]?(?:https?:|//)|document\.(?:body|url|referrer|forms|scripts)\b\s*[.\[]|fetch\s*\(\s*['\x22`](?:https?:)?//",
        ),
        rule("[] +[ !+[", r"\(!\[\]\+|\[\]\[[\(\[]|!\+\[\]|\+!!\[\]|\$\s*=\s*~\s*\["),
        rule("> & \" ' ` ]]", r"^[^<]{0,40}['\x22`]\s*/?>\s*<|//\[['\x22`]+-->"),
    ]
}

/// Bytes that the tokeniser looks at.
const SPAN: usize = 4096;

/// The verdict of libinjection's tokeniser for markup: around the first tag, or where an attribute may have ended.
pub(super) fn is_markup(reading: &Reading<'_>) -> bool {
    let text = reading.decoded;
    let judged = |text: &[u8]| libinjectionrs::detect_xss(text).is_injection();
    if let Some(tag) = text.iter().position(|byte| *byte == b'<') {
        return judged(&text[tag.saturating_sub(256)..text.len().min(tag + SPAN)]);
    }
    let start = &text[..text.len().min(512)];
    start.contains(&b'=') && start.iter().any(|byte| matches!(byte, b'\'' | b'"' | b'`')) && judged(start)
}
