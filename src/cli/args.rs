//! The command line as clap sees it: names, help, defaults. No work.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Offline, packet-level analysis of captured live migrations of virtual machines.
#[derive(Parser, Debug)]
#[command(name = "lmpcap", version, about, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What lmpcap can do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Analyze one run: captures of the client, the source node and the destination node
    Analyze(Analyze),
    /// Write the bytes of a migration stream, or of one direction of a TCP conversation, to a file
    Extract(Extract),
    /// Write the packets around an event from all points to one pcapng file
    Slice(Slice),
    /// Analyze all runs of a study: a tree of run folders, or archives of them, to one table
    Batch(Batch),
    /// Compare two runs or two studies: what changed, with a threshold for CI
    ///
    /// Exit codes: 0 done, and no --fail-if holds; 1 one holds; 2 no comparison; 3 none holds, but one could not be judged because a
    /// figure is unknown, or there was nothing to compare.
    Compare(Compare),
    /// Write shell completions to standard output
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual page to standard output
    Man,
}

/// Which captures.
#[derive(Args, Debug, Clone, Default)]
pub struct Input {
    /// Capture file, folder of captures (client*, source*/src*, destination*/dst*), or - for standard input
    #[arg(value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// Captures of the client
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub client: Vec<PathBuf>,
    /// Captures of the node that the VM leaves
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub source: Vec<PathBuf>,
    /// Captures of the node that the VM goes to
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub destination: Vec<PathBuf>,
    /// Captures of a storage node
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub storage: Vec<PathBuf>,
    /// Captures of the node of the control services
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub controller: Vec<PathBuf>,
    /// Use only packets that this capture filter lets through (pcap-filter syntax)
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
}

/// What is known of the run beside the packets.
#[derive(Args, Debug, Clone, Default)]
pub struct Known {
    /// Name of the run
    #[arg(long)]
    pub name: Option<String>,
    /// Scenario of the experiment
    #[arg(long, value_parser = ["no-video", "offline-video", "online-video"])]
    pub scenario: Option<String>,
    /// MAC address of the VM (may be repeated)
    #[arg(long, value_name = "MAC")]
    pub vm_mac: Vec<crate::base::net::Mac>,
    /// IP address of the VM (may be repeated)
    #[arg(long, value_name = "IP")]
    pub vm_ip: Vec<std::net::IpAddr>,
    /// Bandwidth of the link, such as 1Gbit/s: grades throughput in percent of it
    #[arg(long, value_name = "RATE")]
    pub link_bandwidth: Option<String>,
    /// How the clocks of the points relate: estimate, trusted (one clock), or offsets such as client=+2.5s,destination=-10ms
    #[arg(long, value_name = "HOW", default_value = "estimate")]
    pub clock: String,
}

/// How the viewer's player behaves; what is not given comes from run.toml, else it is as common players do.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Video player")]
pub struct Player {
    /// Media that must be buffered before playback starts [default: 1]
    #[arg(long, value_name = "SECONDS")]
    pub player_start: Option<f64>,
    /// Media that must be buffered before playback goes on after a stall [default: 1]
    #[arg(long, value_name = "SECONDS")]
    pub player_resume: Option<f64>,
    /// A buffer below this that does not run empty is a near-stall [default: 0.5]
    #[arg(long, value_name = "SECONDS")]
    pub near_stall: Option<f64>,
    /// Shorter stalls are not counted [default: 0.05]
    #[arg(long, value_name = "SECONDS")]
    pub least_stall: Option<f64>,
}

/// `lmpcap analyze`.
#[derive(Args, Debug, Clone)]
pub struct Analyze {
    /// Which captures.
    #[command(flatten)]
    pub input: Input,
    /// What is known beside them.
    #[command(flatten)]
    pub known: Known,
    /// Folder for the report [default: reports/<run>]; - writes one format to standard output
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Formats to write, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "json,html,parquet,csv")]
    pub format: Vec<String>,
    /// Language of reports
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub lang: Lang,
    /// Grading scale: tiphon, tiphon-floors, y1541, or a TOML file
    #[arg(long, value_name = "SCALE", default_value = "tiphon")]
    pub scale: String,
    /// Which figures the headline grades: as the RFCs define them, or as theses compute them from Wireshark
    #[arg(long, value_enum, default_value_t = MethodArg::Rigorous)]
    pub method: MethodArg,
    /// Replace addresses and names by pseudonyms, so that the report can be given away; the same key file gives the same ones, without
    /// one they are random. Write it as --anonymize=KEYFILE
    #[arg(long, value_name = "KEYFILE", num_args = 0..=1, require_equals = true)]
    pub anonymize: Option<Option<PathBuf>>,
    /// Exit with 1 if the overall grade of the whole run is below this index (0 to 4)
    #[arg(long, value_name = "INDEX")]
    pub fail_below: Option<f64>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
    /// The viewer's player.
    #[command(flatten)]
    pub player: Player,
}

/// `lmpcap batch`.
#[derive(Args, Debug, Clone)]
pub struct Batch {
    /// Folders of runs, archives of them (tar, tar.gz, tar.zst, tar.xz, zip), or capture files
    #[arg(value_name = "PATH", required_unless_present = "merge")]
    pub paths: Vec<PathBuf>,
    /// Folder for the study; what is there already is not done again
    #[arg(short, long, value_name = "DIR", required_unless_present = "list")]
    pub output: Option<PathBuf>,
    /// Description of the study [default: study.toml in the first PATH]
    #[arg(long, value_name = "FILE")]
    pub study: Option<PathBuf>,
    /// Runs analyzed at the same time [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<std::num::NonZeroUsize>,
    /// List the runs, tab separated, and do nothing
    #[arg(long, conflicts_with = "merge")]
    pub list: bool,
    /// Do only these runs, by the ids that --list prints
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with_all = ["shard", "merge"])]
    pub only: Vec<String>,
    /// Do only every N-th run, beginning with the I-th
    #[arg(long, value_name = "I/N", conflicts_with = "merge")]
    pub shard: Option<String>,
    /// Join these folders, each made by a part of the study, into one
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "paths")]
    pub merge: Vec<PathBuf>,
    /// Use only packets that this capture filter lets through (pcap-filter syntax)
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
    /// How the clocks of the points relate: estimate, trusted (one clock), or offsets such as client=+2.5s,destination=-10ms
    #[arg(long, value_name = "HOW", default_value = "estimate")]
    pub clock: String,
    /// Grading scale: tiphon, tiphon-floors, y1541, or a TOML file
    #[arg(long, value_name = "SCALE", default_value = "tiphon")]
    pub scale: String,
    /// Which figures are graded: as the RFCs define them, or as theses compute them from Wireshark
    #[arg(long, value_enum, default_value_t = MethodArg::Rigorous)]
    pub method: MethodArg,
    /// Formats of the study report, separated by commas: html, markdown, docx, latex, charts; none for no report. A part (--only, --shard) writes none
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "html,markdown,docx,latex,charts")]
    pub report: Vec<String>,
    /// Language of the study report
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub lang: Lang,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// `lmpcap extract`.
#[derive(Args, Debug, Clone)]
pub struct Extract {
    /// Which captures.
    #[command(flatten)]
    pub input: Input,
    /// What is known beside them.
    #[command(flatten)]
    pub known: Known,
    /// Number of the migration, as `analyze` counts them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub migration: u32,
    /// A TCP direction instead: "10.0.0.11:40000>10.0.0.12:49152"
    #[arg(long, value_name = "KEY", conflicts_with = "migration")]
    pub flow: Option<String>,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// `lmpcap slice`.
#[derive(Args, Debug, Clone)]
pub struct Slice {
    /// Which captures.
    #[command(flatten)]
    pub input: Input,
    /// What is known beside them.
    #[command(flatten)]
    pub known: Known,
    /// The event: downtime, migration, or a time as RFC 3339
    #[arg(long, value_name = "EVENT", default_value = "downtime")]
    pub around: String,
    /// How much before and after: 2s, 500ms
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub margin: String,
    /// Replace addresses and names by pseudonyms, and cut off what packets carry, so that they can be given away; the same key file gives the same ones, without
    /// one they are random. Write it as --anonymize=KEYFILE
    #[arg(long, value_name = "KEYFILE", num_args = 0..=1, require_equals = true)]
    pub anonymize: Option<Option<PathBuf>>,
    /// pcapng file to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// `lmpcap compare`.
#[derive(Args, Debug, Clone)]
pub struct Compare {
    /// Report of a run (report.json or its folder), folder of a study or its statistics.json, or captures
    pub a: PathBuf,
    /// The same for what is compared with it
    pub b: PathBuf,
    /// Exit with 1 if this holds, such as 'downtime_ms > +10%' (change in percent), 'total_ms > +500' (change), 'during.loss_percent > 3' (value of B); may be repeated
    #[arg(long, value_name = "CONDITION")]
    pub fail_if: Vec<String>,
    /// Format
    #[arg(long, value_enum, default_value_t = CompareFormat::Text)]
    pub format: CompareFormat,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Language
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub lang: Lang,
}

/// Formats of a comparison.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareFormat {
    /// For a terminal
    Text,
    /// For programs
    Json,
    /// With a table
    Markdown,
}

/// Language of reports.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// English
    En,
    /// Indonesian
    Id,
}

/// Which figures are graded.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodArg {
    /// One-way delay or round trip, RFC 3393 jitter, matched loss
    Rigorous,
    /// Mean inter-packet gap, its variation, lost_segment share
    Thesis,
}
