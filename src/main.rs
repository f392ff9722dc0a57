fn main() {
    let sources =
        portcullis::config::Sources { directory: ".".into(), env: std::env::vars_os().collect(), ..Default::default() };
    match portcullis::config::Config::load(&sources)
        .map_err(|m| m.to_string())
        .and_then(|l| portcullis::server::run(l).map_err(|e| format!("{e:?}")))
    {
        Ok(()) => {}
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1)
        }
    }
}
