//! The command line: builds a configuration, starts the log and runs the server.

use std::process::ExitCode;

use minium::allocator::{self, MiMalloc};
use minium::config::{self, Start};
use minium::{server, telemetry};
use tracing::{error, warn};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    allocator::pages::configure();
    let mut args: Vec<_> = std::env::args_os().skip(1).collect();
    let only_check = args.first().is_some_and(|first| first == "--healthcheck");
    if only_check {
        args.remove(0);
    }
    let start = config::start(args, std::env::vars_os(), &mut std::io::stdin().lock());
    let loaded = match start {
        Ok(Start::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Start::Serve(loaded)) => *loaded,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if only_check {
        return match server::health::check(&loaded.config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("unhealthy: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let general = &loaded.config.general;
    telemetry::log::start(general.loglevel, &general.logfile, general.log_format);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    if !loaded.config.system.disable_thp {
        allocator::pages::allow_huge();
    }
    if let Err(error) = std::env::set_current_dir(&general.dir) {
        error!("Can't chdir to '{}': {error}", general.dir.display());
        return ExitCode::FAILURE;
    }
    match server::run(loaded.config, loaded.source) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}
