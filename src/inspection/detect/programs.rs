//! Names of programs, by how likely a word of that name is the program and not the word.

use std::{collections::HashMap, sync::LazyLock};

/// A program that a word names.
#[derive(Clone, Copy)]
pub(super) struct Program {
    pub weight: i8,
    /// It tells something without any argument.
    pub bare: bool,
    /// A number alone is all it needs.
    pub counts: bool,
    commands: &'static [&'static str],
}

impl Program {
    /// Whether `word` is one of the program's own commands.
    pub fn takes(&self, word: &[u8]) -> bool {
        self.commands.iter().any(|command| {
            word.strip_prefix(command.as_bytes())
                .is_some_and(|rest| rest.iter().all(|byte| !byte.is_ascii_alphanumeric()) && !rest.starts_with(b"-"))
        })
    }
}

/// Names that are no words, of programs that are run alone.
const TELLING: &str = "whoami ifconfig ipconfig netstat uname printenv systeminfo sysinfo tasklist phpinfo hostname lsb_release lsof lsblk lsusb lspci lsmod iptables quser qwinsta getmac nbtstat dmesg vmstat iostat dxdiag msinfo32 hostnamectl";
/// Names that are no words, of programs that want to be told what to do.
const NAMED: &str = "nslookup wget curl nc ncat netcat socat tracert traceroute chmod chown chgrp chattr mkfifo mknod useradd userdel usermod groupadd adduser deluser setfacl certutil bitsadmin wmic mshta regsvr32 rundll32 cscript wscript schtasks icacls cacls taskkill attrib xcopy robocopy vssadmin bcdedit busybox crontab systemctl iptables-save tcpdump nmap zcat bzcat xzcat zgrep zless unxz gunzip mysqldump sqlite3 psql pg_dump ldapsearch smbclient rpcclient xp_cmdshell  python perl ruby php lua tclsh nodejs jrunscript gawk mawk nawk xxd base64 base32 md5sum sha1sum sha256sum uuencode uudecode openssl sshpass ssh-keygen lwp-request lwp-download aria2c wget2 httpie ftpget tftp rlwrap setsid nsenter chroot strace ltrace gdb gcc g++ cc rmdir mkdir printf xargs invoke-expression invoke-webrequest invoke-command start-process start-sleep new-object get-content get-process get-childitem iex iwr nohup egrep fgrep rlogin rsh mtr dig sudo su";
/// Short names and names that are rare words, of programs that are run alone.
const TELLING_WORDS: &str =
    "id ls ps pwd dir env ver df arp reboot poweroff halt netsh sh bash zsh ksh csh tcsh dash ash cmd powershell pwsh";
/// Names that are seldom words, of programs that want to be told what to do.
const RARE_WORDS: &str =
    "cat ping sleep echo rm grep awk sed wc tee xargs ssh telnet head tail eval mkdir chdir fsutil findstr";
/// The same, of programs that want to be told what to do.
const WORDS: &str = ". du ipcs jobs w who set vol finger cp mv ln fish sed awk grep ssh scp sftp ftp telnet rsync tac nl od rev tee tar zip unzip gzip bzip2 cpio dd kill pkill killall type del copy move ren rename erase rd md attrib reg sc net netsh net1 netcfg mail sendmail mysql redis-cli mongo ed vi vim nano pico emacs php-cgi host whois drill strings stat file touch mount umount wall passwd history alias export eval exec source unset trap script screen tmux at batch timeout watch env set ip route ss nft ufw id groups getent locate whereis which fsutil find findstr head tail less more sort uniq cut tr wc diff cmp comm paste join split fold fmt tsort shuf seq factor expand column hexdump hd xz ar ex view rview vimdiff date cal uptime last lastlog shutdown reboot halt poweroff init logger loginctl task test time for if while until case read printf true false wait start call pause cls choice assoc ftype path prompt title color";
/// Programs that people write about, whose commands stand in every manual.
const TOOLS: &str = "git npm npx yarn pnpm pip pipx pip3 cargo go make cmake docker podman kubectl helm terraform ansible ansible-playbook vagrant apt apt-get yum dnf brew choco snap dpkg rpm zypper pacman apk opkg gem bundle bundler composer rake java javac mvn gradle node deno bun dotnet rustc rustup just rg jq yq pandoc latex tex xelatex man info puppet chef-client knife aws gcloud az service journalctl code firefox chrome open";

/// Programs that run another one, or read and write files, for whoever gets to call them.
const HANDY: &str = "aa-exec agetty ansible-test apache2 arj aspell atobm base58 basenc basez bc bpftrace bridge busctl byebug c89 c99 cabal cancel capsh cd cdist certbot choom clamscan cobc cowsay cowthink cpan cpulimit crash csplit csvtool cupsfilter dc debugfs dhclient dialog dmidecode dmsetup dos2unix dosbox dvips easy_install eb efax elvish enscript eqn espeak exiftool expect facter fetch flock fping gcore genie genisoimage ghc ghci gimp ginsh gobuster grc gtester highlight hping3 hydra iconv iftop install ionice irb ispell jjs joe julia ksshell ldconfig lftp logsave look lp lynx mailx minicom mosquitto multitime nasm ncdu ncftp nice nm nroff ntpdate octave openvpn pax pdb perlbug pexec pg pic pidstat ping6 pkexec pkg posh pr pry psftp ptx python2 python3 rc readelf red restic rmt run-mailcap run-parts rvim sash scanmem scrot setarch slsh socket soelim sqlmap stdbuf sysctl system taskset tbl tic timedatectl tmate top troff tshark ul unexpand unlink unshare valgrind virsh w3m whiptail wish xdotool yash yelp";

/// One that only its folder tells.
pub(super) const UNKNOWN: Program = Program { weight: 0, bare: false, counts: false, commands: &[] };

const COMMANDS: [(&str, &[&str]); 12] = [
    ("net", &["user", "users", "view", "share", "start", "stop", "use", "localgroup", "group", "accounts", "session"]),
    ("net1", &["user", "users", "localgroup", "group"]),
    (
        "netsh sh bash zsh ksh csh tcsh dash ash cmd powershell pwsh",
        &["firewall", "advfirewall", "wlan", "interface", "int"],
    ),
    ("reg", &["add", "query", "delete", "save", "export"]),
    ("sc", &["query", "create", "config", "start", "stop", "delete"]),
    ("wmic", &["process", "os", "useraccount", "qfe", "logicaldisk", "product", "service", "startup"]),
    ("ip", &["addr", "a", "route", "link", "neigh"]),
    ("vssadmin", &["delete", "list"]),
    ("type", &["con", "nul"]),
    ("ps", &["aux", "axu", "auxww", "ef"]),
    ("xargs", &["sh", "bash"]),
    ("cmd", &["/c", "/k"]),
];

static TABLE: LazyLock<HashMap<&'static [u8], Program>> = LazyLock::new(|| {
    let lists = [
        (HANDY, 0, false),
        (TOOLS, -1, false),
        (WORDS, 0, false),
        (RARE_WORDS, 1, false),
        (TELLING_WORDS, 1, true),
        (NAMED, 2, false),
        (TELLING, 2, true),
    ];
    let mut table = HashMap::new();
    for (list, weight, bare) in lists {
        for name in list.split(' ') {
            table.insert(name.as_bytes(), Program { weight, bare, counts: false, commands: &[] });
        }
    }
    for name in ["sleep", "kill", "timeout", "start-sleep"] {
        table.entry(name.as_bytes()).and_modify(|program| program.counts = true);
    }
    for (name, commands) in COMMANDS {
        table.entry(name.as_bytes()).and_modify(|program| program.commands = commands);
    }
    table
});

/// The program of this name, with the endings and version numbers that one may have.
pub(super) fn find(name: &[u8]) -> Option<Program> {
    let name = name.strip_suffix(b".exe").or_else(|| name.strip_suffix(b".com")).unwrap_or(name);
    if let Some(program) = TABLE.get(name) {
        return Some(*program);
    }
    let end = name.iter().rposition(|byte| !(byte.is_ascii_digit() || matches!(byte, b'.' | b'-')))? + 1;
    if end < 3 || end == name.len() {
        return None;
    }
    TABLE.get(&name[..end]).copied()
}

/// Words of the shell, and programs that run what follows them.
pub(super) fn runs_another(name: &[u8]) -> bool {
    matches!(
        name,
        b"sudo"
            | b"time"
            | b"exec"
            | b"nohup"
            | b"command"
            | b"then"
            | b"do"
            | b"else"
            | b"setsid"
            | b"busybox"
            | b"doas"
    )
}

/// A path that is the system's own and not the visitor's.
pub(super) fn is_system_path(word: &[u8], alone: bool) -> bool {
    const FOLDERS: [&[u8]; 12] = [
        b"/etc", b"/proc", b"/var", b"/bin", b"/sbin", b"/usr", b"/root", b"/dev", b"/tmp", b"/sys", b"/boot", b"/home",
    ];
    FOLDERS.iter().any(|folder| {
        word.strip_prefix(*folder).is_some_and(|rest| match rest.first() {
            Some(byte) => !byte.is_ascii_alphanumeric() && *byte != b',',
            None => alone,
        })
    })
}

/// Makes the table ready.
pub(super) fn prepare() {
    LazyLock::force(&TABLE);
}
