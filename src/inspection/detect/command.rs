//! Commands for interpreters that reach a shell, and forms of the shell that are none of its commands; what a shell
//! would run is told by its grammar, in `shell.rs`.

use super::{Class, rules::Rule};

/// Programs whose name alone, where a command starts, is told from words.
const PLAIN: &str = "whoami|uname|ifconfig|ipconfig|netstat|nslookup|systeminfo|sysinfo|tasklist|phpinfo|pwd|id|ls|ps|dir|set|env|cat|w|who|ver|hostname|sh|bash|cmd|netsh|net|printenv|lsb_release|arp|df|lsof|quser|reboot|shutdown|halt|poweroff|lsusb|lspci|lsblk|lsmod|iptables";
/// Programs that do something for whoever gets to run them.
const PROGRAMS: &str = "aa-exec|adduser|agetty|ansible|ansible-playbook|ansible-test|apache2|apt|apt-get|ar|aria2c|arj|arp|ash|aspell|at|atobm|attrib|awk|aws|base32|base58|base64|basenc|basez|bash|bc|bitsadmin|bpftrace|bridge|bundle|bundler|busctl|busybox|byebug|bzcat|bzip2|c89|c99|cabal|cancel|capsh|cat|cdist|certbot|certutil|chattr|chef-client|chgrp|chmod|choom|chown|chroot|clamscan|cmd|cmp|cobc|column|comm|composer|copy|cowsay|cowthink|cp|cpan|cpio|cpulimit|crash|crontab|cscript|csh|csplit|csvtool|cupsfilter|curl|cut|dash|date|dc|dd|debugfs|del|dhclient|dialog|diff|dig|dir|dmesg|dmidecode|dmsetup|dnf|docker|dos2unix|dosbox|dotnet|dpkg|dvips|easy_install|eb|echo|ed|efax|egrep|elvish|emacs|enscript|env|eqn|espeak|eval|ex|exec|exiftool|expand|expect|facter|fetch|fgrep|file|find|finger|fish|flock|fmt|fold|for|fping|ftp|gawk|gcc|gcore|gdb|gem|genie|genisoimage|getent|ghc|ghci|gimp|ginsh|git|grc|grep|gtester|gunzip|gzip|halt|hd|head|hexdump|highlight|host|hostname|hping3|iconv|id|if|ifconfig|iftop|install|ionice|ip|ipconfig|irb|ispell|java|jjs|joe|join|journalctl|jq|jrunscript|julia|kill|killall|knife|ksh|ksshell|kubectl|last|lastlog|latex|ldconfig|less|lftp|ln|loginctl|logsave|look|lp|ls|lsof|ltrace|lua|lwp-download|lwp-request|lynx|mail|mailx|make|man|mawk|md5sum|minicom|mkdir|mkfifo|mknod|more|mosquitto|mount|move|mshta|mtr|multitime|mv|mysql|mysqldump|nano|nasm|nawk|nc|ncat|ncdu|ncftp|net|net1|netcat|netsh|netstat|nft|nice|nl|nm|nmap|node|nohup|npm|nroff|nsenter|nslookup|ntpdate|octave|od|openssl|openvpn|opkg|pandoc|passwd|paste|pax|pdb|perl|perlbug|pexec|pg|php|phpinfo|pic|pico|pidstat|ping|ping6|pip|pkexec|pkg|pkill|posh|powershell|pr|printenv|printf|pry|ps|psftp|psql|ptx|puppet|pwd|pwsh|python|python2|python3|rake|rc|readelf|reboot|red|redis-cli|reg|regsvr32|restic|rev|rlogin|rlwrap|rm|rmdir|rmt|route|rpm|rsync|ruby|run-mailcap|run-parts|rundll32|rview|rvim|sash|sc|scanmem|scp|screen|script|scrot|sed|sendmail|service|set|setarch|setfacl|setsid|sftp|sh|sha1sum|shuf|shutdown|sleep|slsh|smbclient|snap|socat|socket|soelim|sort|source|split|sqlite3|sqlmap|ss|ssh|sshpass|stat|stdbuf|strace|strings|su|sudo|sysctl|sysinfo|system|systemctl|systeminfo|tac|tail|tar|task|taskkill|tasklist|taskset|tbl|tclsh|tcpdump|tee|telnet|terraform|test|tftp|tic|time|timedatectl|timeout|tmate|tmux|top|touch|tr|traceroute|tracert|troff|tshark|type|ul|umount|uname|unexpand|uniq|unlink|unshare|unxz|unzip|useradd|userdel|usermod|uudecode|uuencode|vagrant|valgrind|ver|vi|view|vim|vimdiff|virsh|vol|w3m|wall|watch|wc|wget|whiptail|whoami|whois|wish|wmic|wscript|xargs|xdotool|xelatex|xxd|xz|xzcat|yarn|yash|yelp|yum|zcat|zip|zless|zsh|zypper|invoke-\\w+|get-\\w+|start-\\w+|new-object|cd|alias|export|unset|gobuster|hydra|cmp|zgrep|tclsh8\\.\\d|vol|assoc";
/// What tells a command's argument from a word: an option, a path, an address, a variable, a number.
const ARGUMENT: &str = r"(?:-{1,2}[a-z0-9]|/[a-z0-9?*~.]|\\|[a-z]:\\|~|\.{1,2}/|\$[\w({@*]|%[a-z]|\d+(?:[\s.;|&'\x22`)#]|$)|['\x22`<>]|https?:|\w+\.\w+|\*|\[|localgroup|user\b|firewall|add\b|start\b|stop\b|/f\b)";

pub(super) fn rules() -> Vec<Rule> {
    let rule = |anchors: &str, pattern: &str| Rule::new(Class::Command, anchors, pattern);
    let system_file = r"['\x22]?/(?:etc|e[\\'\x22?*]*t[\\'\x22?*]*c|\?\?\?)/(?:p[\\'\x22?*]*a|shadow|passwd|group|hosts|issue|sudoers|\?)";
    vec![
        // Commands of mail servers, behind a line end that a value has no use for.
        rule(
            "\r \n & rcpt mail_ ehlo helo vrfy expn retr_ dele_ uidl top_ login_ authenticate_ select_ fetch_ capability starttls",
            r"[\r\n]\s*(?:rcpt\s+to:|mail\s+from:|ehlo\s|helo\s|vrfy\s|expn\s|(?:retr|dele)\s\d|uidl\s*(?:\d|$)|top\s\d+\s\d|[a-z]+\d+\s(?:login|authenticate|select|examine|fetch|capability|starttls)\b)",
        ),
        // A substitution that runs a known program on something.
        rule(
            "$(",
            &format!(
                r"\$\(\s*['\x22`]?(?:/(?:usr/)?bin/)?(?:{PROGRAMS})(?:\s+{ARGUMENT}|\$ifs|<|\$\()|\$\(\s*(?:{PLAIN})\s*\)|\$\(\s*(?:whoami|uname|ls|wget|curl|ping|sleep|nslookup|dig|host|ifconfig)\b"
            ),
        ),
        rule("$( `/", r"\$\(\s*`|`\s*(?:/(?:usr/)?bin/)"),
        rule(
            "` & ; | < ( ' \" , = * sleep ping wget curl cat",
            &format!(
                r"(?:^|[;|&<('\x22,=*]|\s[;|&]\s*)`\s*(?:(?:{PLAIN})|(?:{PROGRAMS})(?:<|\s+{ARGUMENT})[^`]{{0,80}})`|`(?:sleep|ping|wget|curl|cat)\s+[^`]{{0,80}}`\s*(?:\*|#|'|\x22|$)"
            ),
        ),
        rule("$( <( >(", &format!(r"^\s*(?:\$|<|>)\((?:(?:{PLAIN})|(?:{PROGRAMS})\b[^)]*)\)\s*$")),
        rule("()", r"\(\)\s*\{\s*(?::|_)\s*;|^\s*\(\)\s*\{"),
        rule(
            "$ifs ${ifs { % & ifs , :~",
            r"%[a-z()]+:~-?\d+,-?\d+%|\$\{?ifs\b|\{(?:cat|ls|echo|ping|sleep|id|curl|wget|nc|sh|bash),[^\s}]*\}|^\W*[a-z]+\{[a-z]*,[a-z]*\}[a-z]*$",
        ),
        rule("=$' =$\" =$\\", r"(?:^|[;|&]\s*)[a-z_]\w*=\$\\?['\x22]"),
        // Interpreters.
        rule("<?php <?=", r"<\?(?:php\b|=)"),
        rule(
            "system exec passthru popen proc_open eval assert subprocess phpversion response.write & (",
            r"(?:^|[;|&'\x22{(\s@.])(?:system|exec|shell_exec|passthru|popen|proc_open|pcntl_exec|eval|assert|os\.system|subprocess\.\w+|runtime\.exec)\s*\(\s*['\x22](?:/|\\|(?:whoami|uname|ifconfig|ipconfig|netstat|id|cat|ls|curl|wget|ping|sleep|nc|bash|sh|cmd|dir|type|echo|rm|powershell|perl|python|pwd|ps|net|env|whois|dig|host|tar|touch|mkdir|set|ver|time)\b)|\b(?:phpversion|response\.write|shell_exec|passthru|pcntl_exec|proc_open)\s*\(",
        ),
        rule(
            "${ phpinfo $_",
            r"\$\{\s*@?(?:phpinfo|system|exec|print|eval|die|md5|passthru|sleep|var_dump|file_get_contents|shell_exec)\s*\(|(?:^|[;|&'\x22)\s])phpinfo\s*\(\s*\)|\$_(?:get|post|request|cookie|server)\s*\[",
        ),
        rule(
            "#exec #_exec runtime process __import__ child_process ${ & ( { <",
            r"<!--\s*#\s*exec|getruntime\s*\(|processbuilder\s*\(|__import__\s*\(|require\s*\(\s*['\x22]child_process|\$\{jndi:|\$\{(?:lower|upper|env|sys|date|::-):",
        ),
        rule(
            "{{ {php} ${t( #{ freemarker <%=",
            r"\{\{[^}]*(?:__class__|__globals__|__subclasses__|config\.|request\.application|popen|lipsum|cycler|self\._)|\{php\}|\$\{t\(java|#\{.*(?:exec|system)\(|freemarker\.template|<%=\s*(?:system|exec|`|\d+\s*\*\s*\d)",
        ),
        rule("root: $shell $0 @", r"^\w+@[\w-]+:[~/\w]*[$#]\s|^\s*root:x?:0:0:|^\s*\$(?:shell|0)\b"),
        // A value that is a command by itself, on a folder of the system or with a second command behind it.
        rule(
            "/etc /var /usr /bin /tmp /dev /proc /root /home",
            &format!(r"^\s*(?:sudo\s+)?(?:{PROGRAMS})\s+(?:-\w+\s+)*/(?:etc|var|usr|bin|tmp|dev|proc|root)\b"),
        ),
        // What a variable holds, or the shell itself, run at the end.
        rule("; | & $", r"[;|]\s*\$\{?(?:0|[a-z]\w*)\}?\s*$"),
        rule(
            "echo powershell",
            r"^\s*echo\s+['\x22$`]|(?:^|[;|&@]\s*)powershell(?:\.exe)?\s+[a-z]:\\|\becho\s+\$\{?\w+\}?\s*[|>;]",
        ),
        // What nobody writes but to have it run.
        rule(
            "/etc /e ??? & passwd shadow group hosts issue sudoers /p ?",
            &format!(
                r"(?:cat|more|less|head|tail|tac|nl|type|strings|xxd|base64|cut|sort|cp|rev|od|awk|grep|comm|base32|bridge|date|paste|diff|sed|dd|file|wc|cmp|vi|vim|curl)\b[^\n]{{0,40}}\s*{system_file}|[<>]\s*{system_file}"
            ),
        ),
        rule(
            "cd_ cd/ mkfifo /dev/ nc_ ncat sh_ sh' sh\" sh| sh; & / -",
            r"\bcd\s*/[^;]*;\s*cd\s+etc\b|(?:^|;)\s*cd\s+/;|/dev/(?:tcp|udp)/|\bnc(?:at)?\s+(?:-\w+\s+)*-[a-z]*e\b|\bmkfifo\s+/|/bin/(?:ba|da|z|k|c|tc)?sh\s+-[ic]\b|/bin/(?:ba)?sh\s*['\x22|;]",
        ),
        rule(
            "for if reg net cmd powershell start-sleep certutil wmic set %system %comspec %windir & / % - \" ' ( net",
            r"(?:^|[\s;|&'\x22])(?:for\s+/[fdlr]\s|for\s+%+\w\s+in\s*\(|if\s+(?:not\s+)?exist\s+\S+\s+\(|reg\s+(?:add|query|delete)\s+['\x22]?hk|net\s+(?:localgroup|user)\s+\w+(?:\s+[\w/]+)*/add|net\s+(?:user|view|share|start|accounts|localgroup\s+administrators)\s*$|cmd(?:\.exe)?\s+/[ck]\b|powershell(?:\.exe)?\s+-\w|start-sleep\s+-s|certutil\s+-urlcache|wmic\s+process|set\s+/[ap]\s|netsh\s+(?:firewall|advfirewall)|%systemroot%|%comspec%|%windir%)",
        ),
        rule(
            "for while base sh xargs <<< & $( ; | <<<",
            r"(?:^|\s)for\s+\w+\s+in\s+\$\(|\bwhile\s+(?:true|:)\s*;\s*do\b|\|\s*(?:base(?:64|32)\s+-d|sh|bash|xargs)\s*(?:$|[;|&`)])|<<<\s*['\x22$]?\w",
        ),
        rule(
            "bin/",
            r"^\s*/(?:usr/)?(?:local/)?s?bin/[\w\[\]?*]+(?:\s+-|\s*$|\s+/)|/\w*\[\w\]\w*/?\w*(?:\s+-|/)|/(?:usr/)?bin/\w*[\[?*]",
        ),
        rule("/?", r"/\?{2,}[/\w?]*/"),
        rule("[ & /", r"/\w*\[\w\]\w*/?\w*(?:\s+[-/]|/\w|$)"),
        rule(
            "${ $( tr_ echo_ $@ xxd & $ ' \" -",
            r"\$\{\w+/{1,2}[^}]*\\?/[^}]*\}|\$\{\w+:\d|\$\([^)]*\|\s*tr\s|\btr\s+'[^']+'\s+'[^']+'|echo\s+-e\s+['\x22]\\?|\w\$@\w|\$\{[@*]\}|xxd\s+-r",
        ),
        rule(
            "cat less more ls host whoami ifconfig ipconfig netstat systeminfo uname dir & $ ` - i \\",
            r"(?:cat|less|more|ls)\s+\$\{?\w+/|\bcat\s+`|\bcat\s+\$\(|\bhost\s+['\x22]?\$\w|^\s*(?:whoami|ifconfig|ipconfig|netstat|systeminfo|uname)(?:\s+[-/]\w+)*\s*$|^\s*ls\s+-\w+|^\s*dir\s+[a-z]:\\|\bls\s+-\w+\s*$",
        ),
        rule(
            "sleep ping wget curl id uname echo",
            r"^\s*(?:sleep\s+\d+|ping\s+-[a-z]\s*\d+\s+\d|/?usr/bin/id|uname\s+-a|echo\s+['\x22]<\?php)|^\W*ping\s+(?:-\w\s+\d+\s+)?\d+\.\d+\.\d+\.\d+|^\W*(?:wget|curl)\s+https?://\S+\s*(?:$|[;|&>]|-o)|^\W*sleep\s+\d+\W*$",
        ),
        rule(
            "' \" \\ ^ $@ $* ?c & i t l g_ ng & w c p /e",
            r"(?:^|[;|&`(\s/])(?:w\W{1,2}h\W{0,2}o\W{0,2}a\W{0,2}m\W{0,2}i|w\W{0,2}h\W{1,2}o\W{0,2}a\W{0,2}m\W{0,2}i|(?:[a-z]\^){2}[a-z]|c['\x22\\^]{1,2}a['\x22\\^]{0,2}t\s|ca['\x22\\^]{1,2}t\s|wh(?:''|\x22\x22|\\|\^)?o(?:''|\x22\x22|\\|\^)?a(?:''|\x22\x22|\\|\^|\$@)m?(?:''|\x22\x22|\\|\^|\$@)?m?i|w[\\'\x22^]+g[\\'\x22^]*e[\\'\x22^]*t|cu[\\'\x22^]+rl|p[\\'\x22^]+i[\\'\x22^]*n[\\'\x22^]*g|/e['\x22\\?*]+tc/)",
        ),
        rule(
            "> < & sleep < 2>& /tmp /var /dev .php .jsp .asp .sh .bat",
            r"\bnohup\s+sleep|\b(?:cat|less|more|head|tail|sh|bash)\s*<\s*/?\w+/|>\s*/(?:tmp|var/www|dev/tcp)|>\s*[\w./\\-]+\.(?:php|jsp|aspx?|sh|bat)\s*$",
        ),
    ]
}
