//! SQL where a value belongs: a tokeniser's verdict, and what it does not look for.

use super::{Class, Reading, rules::Rule};
use regex::bytes::Regex;
use std::sync::LazyLock;

/// What joins one condition to the next.
const JOINS: &str = r"(?:\b(?:or|and|xor|having|where|when|if|not|then|case\s+when)\b|\|\||&&)";

pub(super) fn rules() -> Vec<Rule> {
    let rule = |anchors: &str, pattern: &str| Rule::new(Class::Sql, anchors, pattern);
    let number = r"[-+~!]?(?:0x[0-9a-f]+|\d+(?:\.\d+)?(?:e\d+)?)";
    let quote = r"['\x22`]";
    let tail = r"(?:--|#|/\*|;|$)";
    let system = r"(?:information_schema|sysibm\.|mysql\.(?:user|db|innodb|admin|host|func)|sys\.(?:all|user|dba|databases|tables|sql|schema|objects|syslogins)|pg_(?:catalog|shadow|user|tables|authid|database|class|ls_dir|read_file)|sqlite_(?:master|schema)|sys(?:objects|columns|users|databases|tables|dummy1)\b|(?:all|user|dba|dual)_?(?:tables|tab_columns|users|role_privs|objects)\b|master\.\.|master\.dbo|@@\w+|v\$(?:version|instance|database)|msys\w+|\bdual\b|rdb\$|domain\.(?:tables|columns|domains)|svv_|pragma_\w+)";
    vec![
        rule("union & select", r"\bunion[\s(/*!\d+'\x22]*(?:all|distinct|distinctrow)?[\s(/*!\d+'\x22]*select"),
        rule(
            "benchmark pg_sleep extractvalue updatexml load_file utl_ dbms_ json_keys make_set name_const query_to_xml database_to_xml sqlite_ load_extension blob filetoc lo_ ctxsys xmltype aes_ row_to_json uncompress elt gtid_ exp analyse polygon geometry multipoint linestring sys_",
            r"\b(?:benchmark|pg_sleep(?:_for)?|extractvalue|updatexml|load_file|utl_(?:http|inaddr|file|smtp)\.\w+|dbms_\w+\.\w+|json_keys|make_set|name_const|query_to_xml|database_to_xml|sqlite_compileoption_get|sqlite_version|load_extension|randomblob|zeroblob|filetoblob|filetoclob|lo_(?:import|export)|ctxsys\.\w+|xmltype|aes_(?:de|en)crypt|row_to_json|uncompress|elt|gtid_subset|exp\s*\(\s*~|analyse|polygon|geometrycollection|multipoint|linestring|sys_eval|sys_exec)\s*\(\s*[\w'\x22(@*~<]",
        ),
        rule(
            "xp_ sp_",
            r"\b(?:xp_(?:cmdshell|dirtree|reg\w+|fileexist|servicecontrol|availablemedia|enumdsn|loginconfig|makecab|ntsec\w*|terminate_process|subdirs)|sp_(?:executesql|oacreate|oamethod|addlogin|addsrvrolemember|addrolemember|configure|add_job|makewebtask|password|who2?|helpdb|tables|columns|delete_job|add_jobstep|start_job|prepare|addextendedproc))\b",
        ),
        rule("waitfor", &format!(r"waitfor\s*(?:delay|time)\s*(?:{quote}|\(|$)")),
        rule(
            "outfile dumpfile infile analyse",
            r"\binto[\s+]+(?:out|dump)file\b|\bload[\s+]+data[\s+]+(?:local[\s+]+|low_priority[\s+]+)?infile\b|\bprocedure\s+analyse\b",
        ),
        rule(
            "select from_ where_ exists union & information_schema sysibm. mysql. sys. pg_ sqlite_ sysobjects syscolumns sysusers sysdatabases systables sysdummy tables tab_columns users role_privs objects master.. master.dbo @@ v$ msys dual rdb$ domain. svv_ pragma_",
            &format!(r"\b(?:select|from|where|exists|union)\b[^;]*{system}"),
        ),
        // Conditions that say nothing: 1=1, 'a'='a', true.
        rule(
            "= < > ^ ~ & or and xor having where when if not then || &&",
            &format!(r"{JOINS}[\s('\x22!~+-]*{number}[\s)'\x22]*(?:<=>|[<>!]?=|<>|[<>]|\^|~)[\s('\x22+-]*{number}"),
        ),
        rule(
            "like regexp between _is_ _in_ _in( & or and xor having where when if not then || && & 1 2 3 4 5 6 7 8 9 0",
            &format!(
                r"{JOINS}[\s('\x22!~+-]*{number}[\s)'\x22]*\b(?:not\s+)?(?:like|rlike|regexp|between|in|is)[\s('\x22+-]+{number}"
            ),
        ),
        rule(
            "= < > like regexp between ^ ~ in( & or and xor having where when if not then || && & ' \"",
            &format!(
                r"(?:{JOINS})[\s(]*(?:binary\s+)?(?:n|b|x)?['\x22][^'\x22]{{0,40}}['\x22]?[\s)]*(?:<=>|[<>!]?=|<>|[<>]|\b(?:not\s+)?(?:like|rlike|regexp|between|in)\b|\^|~)[\s(]*(?:binary\s+)?['\x22]"
            ),
        ),
        rule(
            "true false null exists or_ and_ xor_ having_ || && or( and(",
            &format!(
                r"(?:\b(?:or|and|xor|having)\b|\|\||&&)[\s(+-]*(?:true|false|null|not\s+(?:true|false|null|0|1)|exists)[\s)]*{tail}[\s-]*$|\b(?:or|and|xor|having)[\s(+-]+\d+[\s)]*(?:--|#|/\*)[\s-]*$"
            ),
        ),
        rule(
            "' \" & or and xor having || &&",
            &format!(
                r"['\x22][\s)%]*(?:\b(?:or|and|xor|having)\b|\|\||&&)[\s(+!~-]*(?:(?:true|false|null|exists)\b\s*(?:[\s)]*$|--|#|/\*|;|\()|not\s+\w+\s*[(=]|binary\b|row\s*\(|{number}[\s)]*(?:$|[-+*/%^=<>!#;]|--|or\b|and\b|like\b|in\b|is\b|between\b)|@\w|(?:sleep|if|ascii|substr\w*|mid|ord|length|char|benchmark|extractvalue|updatexml|select|count|pi|user|version|database|json_keys|elt|rand|cast|convert|coalesce|current_\w+|title|sqlite\w+|pg_\w+|utl_\w+|dbms\w+|make_set|exp|row|strcmp|greatest|least|ifnull|nullif|hex|unhex|lower|upper|instr|locate|position|regexp_\w+|randomblob|like|waitfor)\s*\(|\w+(?:\.\w+)?\s*(?:<=>|[<>!]?=|<>|[<>^]|\bis\s+(?:not\s+)?null\b|\b(?:not\s+)?like\s+['\x22]|\brlike\b|\bregexp\b|\bin\s*\(|\bbetween\s+['\d]))"
            ),
        ),
        rule(
            "' & or and xor || &&",
            r"^[^'\x22]*'[\s)%]*(?:\b(?:or|and|xor)\b|\|\||&&)[\s(+!~-]*(?:'|\w+\s*\^)|^[^\x22']*\x22[\s)%]*(?:\b(?:or|xor)\b|\|\||&&)[\s(+!~-]*\x22[^\x22]*\x22?\s*(?:$|[=<>^]|--|#)",
        ),
        // A value that ends, and what a statement goes on with.
        rule(
            "' \" `",
            &format!(
                r"^[^'\x22`\n]{{0,60}}{quote}[\s)]*(?:(?:(?:not\s+)?(?:r?like|regexp|between|glob)|sounds\s+like|div|mod|is\s+(?:not\s+)?null|collate|escape)\b|\|\||&&|[-+*/%^&|<>!=]+)[\s(+~!-]*(?:{quote}|{number}|@|null\b|\w+\s*\(|\()"
            ),
        ),
        rule(
            "' \" `",
            &format!(
                r"^[^'\x22`\n]{{0,60}}{quote}[\s)]*(?:group\s+by|order\s+by|having|limit|offset|procedure|into|union|where|for\s+update)\b[\s(]*[\w'\x22@(]"
            ),
        ),
        rule("' \" `", &format!(r"^[^\n]{{0,80}}{quote}[\s)]*;?\s*(?:--|#|/\*)[\s+-]*$")),
        rule(
            "and_ or_ xor_ having where and( or( & 1 2 3 4 5 6 7 8 9 0",
            r"^[\s)'\x22`]*(?:and|or|xor|having|where)[\s(]+-?\d+\s*(?:$|--|#|/\*)",
        ),
        rule(
            "like( like_( regexp or and between in( in_( union having div where",
            r"^\s*[)'\x22`\]]+\s*(?:r?like|regexp|or|and|xor|between|in|union|having|div|where)\s*\(",
        ),
        rule("rlike regexp div xor", r"^\s*[)'\x22`\]]*\s*(?:rlike|regexp|div|xor|not\s+regexp)\s*[('\x22]"),
        rule(
            "or_ and_ where_ having_",
            r"^[\s)]*(?:or|and|where|having)\s+(?:\(?\s*select\b|\w+\s*\(\s*(?:select|\d|'|\x22))",
        ),
        // Time.
        rule(
            "sleep & (",
            r"(?:\b(?:and|or|xor|select|if|then|when|else|from|where|in|case|like|rlike|union|all)\b|\|\||&&|[=('\x22+*/^,;-]|^\d*\s*)[\s(/*+-]*\bsleep\s*\(\s*[\d'\x22(\[]+[^)]{0,40}\)?\s*(?:\)|--|#|/\*|or\b|and\b|$|'|\x22|,|=|;\s*--|from\b|\+|as\b)",
        ),
        rule("sleep & (", r"\bselect\b[\s(/*+]*sleep\s*\("),
        // Statements behind statements.
        rule(
            "drop insert update delete truncate alter create declare shutdown grant exec copy handler call begin load attach merge replace select set_ if use rename desc waitfor & ; ' \" )",
            r"(?:;|'|\x22|\))\s*(?:drop\s+(?:table|database|user|view|schema|index|function|procedure)|insert\s+into|update\s+\w+\s+set|delete\s+from|truncate\s+table|alter\s+(?:table|user|database|login)|create\s+(?:table|user|login|or\s+replace|database|function|procedure|extension|alias|trigger)|declare\s+[@\w]|shutdown\b|grant\s+\w+\s+(?:to|on)|exec(?:ute)?[\s(]+(?:@|master|xp_|sp_|immediate|\(?\s*['\x22])|copy\s+\w+\s+(?:from|to)|handler\s+\w+\s+(?:open|read)|call\s+\w+\s*\(|begin\s+(?:declare|try)|load\s+data|attach\s+database|merge\s+into|replace\s+into|select\s+(?:[\w*@'(]+[\s,]*)+(?:from|\()|set\s+@|if\s*\(|waitfor|use\s+\w+\s*;|rename\s+table|desc(?:ribe)?\s+\w+\s*(?:;|--))",
        ),
        rule(
            "exec begin_ declare & @ ' \" ( declare try master immediate",
            r"\bexec(?:ute)?\s*\(?\s*(?:@\w|master\b|['\x22]\s*(?:exec|select|create|drop|insert|xp_|sp_)|immediate\b)|\bbegin\s+(?:declare|try)\b|\bdeclare\s+@\w+\s",
        ),
        rule(
            "create grant_ drop_ identified & _user_ _login _to_ table database function _by_",
            r"\bcreate\s+(?:user|login)\s+\w+\s+(?:identified|with|name|for|password)|\bgrant\s+\w+\s+to\s+\w+\s*(?:;|$|--)|\bdrop\s+(?:table|database|function)\s+\w+\s*(?:;|--|#|$)|\bidentified\s+by\s+'|\bcreate\s+table\s+\w+\s*\(\w+\s+\w+\)\s*;",
        ),
        rule(
            "if( if_ iif else & select ( drop",
            r"\bif\s*\(\s*\[?\w+\]?\s*(?:[<>=!]+\s*\[?\w+\]?\s*)?\)\s*(?:select|waitfor|drop|begin|exec)|\biif\s*\(\s*\d+\s*[<>=]|\bif\s+exists\s*\(\s*select|\bselect\s+if\s*\(|\belse\s+drop\b",
        ),
        rule(
            "select",
            r"\bselect\b[\s(\x22'`/*\]=]*(?:version\s*\(|@@|@\w+|(?:current_|system_|session_)?user\s*(?:\(|,|$|from\b)|database\s*\(|schema\s*\(|db_name|case\s+when|\d+\s*,\s*\d|\d+\s+(?:or|and)\b|null\s*,|char\s*\(|chr\s*\(|concat|group_concat|load_file|extractvalue|if\s*\(|benchmark|'[^']{0,30}'\s*(?:\|\||,|into|or\b)|(?:sin|cos|tan|abs|hex|ascii|substr\w*|mid|ord|length|pi|rand|floor|cast|convert|system|query_to_xml)\s*\(|-?\w+\s*\(\s*@|top\s+\d|0x)",
        ),
        rule(
            "concat cast convert char hex ascii substr mid ord & (",
            r"(?:concat(?:_ws)?|cast|convert|char|group_concat|hex|unhex|ascii|substr(?:ing)?|mid|ord)\s*\(\s*(?:\(?\s*select\b|0x[0-9a-f]{2}|@@|version\s*\(|user\s*\(|database\s*\(|char\s*\(|lower\s*\(\s*\(|password|passwd|current_user)",
        ),
        rule(
            "char( chr( char_ chr_ 0x 1.e .e. .e( 0.e 2.e 3.e 4.e 5.e",
            r"char\s*\(\s*\d+\s*\)\s*(?:\+|\|\||,|%2b)|chr\s*\(\s*\d+\s*\)\s*\|\||(?:^|[\s,(])0x[0-9a-f]{10,}\s*(?:,|as\s+varchar|limit|/\*)|\b1\.e\s*\(|\b\d+\.e\.?\w+",
        ),
        rule(
            "::json ::text ::int json_extract",
            r"'\s*::\s*(?:jsonb?|text|int)\b|\bjson_extract\s*\(\s*'|::jsonb?\s*(?:[<@>#?]|->)",
        ),
        rule(
            "select & ( & )",
            r"\(\s*select\b[\s(]+[\w*@'\x22(`][^()]{0,200}(?:from\b|\()[^\n]*\)\s*(?:=|>|<|--|#|and\b|or\b|as\b|\|\||\+|limit\b)",
        ),
        rule(
            "select",
            r"^[-+\w.'\x22)\]=/?]{0,40}[\s,]*\(\s*select\b[\s(]*(?:if|select|count|case|\d|concat|extractvalue|table_name|\*)",
        ),
        rule(
            "null order_by group_by having & , -- # /* = > < having true",
            r"(?:^|,)\s*(?:null\s*,\s*){2,}null|\border\s+by\s+\d+\s*(?:--|#|/\*)|\bgroup\s+by\s+[\w.()]+\s+having\s+\d|\bhaving\s+(?:\d+\s*[<>=]|\(?\s*true)",
        ),
        rule(
            "from_ where_ and_ or_ xor having when_ if_ not_ then_ || && & -- # /* =",
            &format!(
                r"\bfrom\s+\w+(?:\s+\w+)?\s*(?:--|#|/\*)\s*$|\bwhere\s+\d+\s*=\s*\d+|\band\s+-?\d+\s*=\s*-?\d|\b\d+\s*{JOINS}\s*{number}\s*=\s*{number}"
            ),
        ),
        rule(
            "' \" ` ) ]",
            r"^\s*['\x22`)\]]\s*(?:select|exec|union|insert|drop|begin|declare|waitfor|goto|create\s+user|grant\s+\w+\s+to)\s+\w",
        ),
        rule(
            "exists select or_ and_ or( and( & (",
            r"^\s*[)'\x22]*\s*(?:or|and|not|\|\|)?\s*exists\s*\(?\s*select\b|\)\s*or\s*\(\s*select\b|^\s*['\x22]\s*(?:or|and)\s*\(",
        ),
        rule(
            "sleep waitfor benchmark `_ _is_ & ' ` unknown null",
            r"^['\x22\s]*\s*'\s*(?:sleep|waitfor|benchmark)\b|`\s*as\s*`[^`]*`\s*from\b|\b(?:true|false|null)\s+is\s+(?:not\s+)?(?:unknown|null)\b",
        ),
    ]
}

/// What a tokeniser's verdict on words alone still needs: a statement's word, a call, or a value that ends.
static BACKED: LazyLock<Regex> = LazyLock::new(|| {
    let words = r"\b(?:union|having|exec|execute|insert|drop|outfile|dumpfile|benchmark|group\s+by|order\s+by|information_schema|version|database|concat|substring|ascii|char|cast\s*\(\s*\(?select|declare|waitfor|procedure|rlike|regexp|binary|coalesce|between|soundex)\b";
    let value = r"['\x22`][\s)+-]*(?:or|and|is|in|like|div|xor|not|;|--|#|/\*|\|\||&&|[-+*/%^=<>!&|])[\s(+!-]*(?:['\x22`\d@(-]|\w+\s*[(=<>]|$|not\b|null\b|like\b)|['\x22]\s*[;)]*\s*(?:--|#|/\*)";
    let ends = r"(?:--|#|/\*)[\s-]*$|/\*|^\s*\(\s*(?:select|binary|cos|'|1)|\bselect\b[^.!?]*\b(?:from|where|sin|into)\b|\bselect\s*[(\x22'@\d-]|\b(?:and|or)\s*[-+(]*\d+\s*=|\bcall\s+\w+\(@|case\s+when|=\s*0\s*--";
    Regex::new(&format!(r"(?s-u){words}|{value}|{ends}")).expect("a tested pattern")
});

/// Fingerprints of words and numbers alone, of two quoted words that something joins, and of a number before a
/// dash: each is as often plain text.
fn is_weak(fingerprint: &str) -> bool {
    matches!(fingerprint, "sos" | "sBs" | "s&s" | "1c")
        || fingerprint.bytes().all(|token| matches!(token, b'n' | b'k' | b'&' | b'o' | b'(' | b')' | b'1' | b','))
}

/// Bytes in which a value would have ended and a statement begun.
const START: usize = 2048;

/// The verdict of libinjection's tokeniser, where more than words speaks for it.
pub(super) fn is_statement(reading: &Reading<'_>) -> bool {
    let judged = |text: &[u8]| {
        let text = &text[..text.len().min(START)];
        let mut state = libinjectionrs::SqliState::new(text, libinjectionrs::SqliFlags::FLAG_NONE);
        state.detect() && (!is_weak(state.get_fingerprint().as_str()) || BACKED.is_match(text))
    };
    judged(reading.decoded)
        || (reading.spaced != reading.decoded && judged(reading.spaced))
        || (reading.raw != reading.decoded && judged(reading.raw))
}
