//! One execution: hands over the input, takes in what comes, watches the time.
//!
//! An execution is over for its caller with its one frame, judged beside the counters of
//! the group, which no code inside can change. What has no frame is judged by its end.
//! That nothing is left is proved afterwards ([`crate::settle`]), while nobody waits;
//! everything else ends the sandbox.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use crate::channel::{Capture, Channel};
use crate::control::ControlError;
use crate::egress::{Passage, Traffic};
use crate::frame::{DIRTY, ENDED_BYTES, HEADER, Header, Kind, frame};
use crate::judge::{Ended, Evidence, Reason, judge};
use crate::limits::{FAILURE_BYTES, LOG_DRAIN_BYTES, SETTLE};
use crate::live::Live;
use crate::look::Look;
use crate::mask::Mask;
use crate::outcome::{Done, Failure, FailureCode};
use crate::sandbox::{Request, Sandbox, SandboxError};
use crate::settle::{Answered, Next};
use crate::usage::Before;

/// What a pipe holds, whatever its size was set to.
const PIPE: u64 = 1 << 20;

/// Known when it is over.
struct Used {
    duration: Duration,
    traffic: Traffic,
}

impl Sandbox {
    /// Runs one execution. If the future is dropped, the sandbox is spent.
    ///
    /// # Errors
    /// Only where the sandbox was gone before the input was handed over: run it in another.
    pub async fn run(&mut self, request: Request<'_>) -> Result<Done, SandboxError> {
        // Taken, so that a dropped future leaves a sandbox that refuses the next one.
        if !self.settle().await {
            return Err(SandboxError::Gone);
        }
        let Next::Waiting(mut channel) = self.next.take() else {
            return Err(SandboxError::Gone);
        };
        let group = &self.jail.remains.as_ref().ok_or(SandboxError::Gone)?.group;
        let before = Before::of(group, &mut self.file_cache);
        let bytes = order(&request).map_err(SandboxError::Channel)?;
        let mask = request.environment.mask();
        channel.stdout.cover(&mask);
        channel.stderr.cover(&mask);
        // Dropped with this future, if it is; then nothing is reached any more either.
        let passage = match &self.jail.way {
            None => None,
            Some(way) => Some(way.open().ok_or(SandboxError::Gone)?),
        };
        // It reads the whole input before it runs anything: where this fails, nothing has run.
        let unsent = match timeout(request.timeout, channel.answer.send(&bytes)).await {
            Ok(Ok(())) => None,
            Ok(Err(_)) if self.cancelled.load(Ordering::Acquire) => Some(Reason::Cancelled),
            Ok(Err(_)) if self.has_run => return Err(SandboxError::Gone),
            // Dead so soon after its import, it would be so in every sandbox.
            Ok(Err(_)) => Some(Reason::Died),
            Err(_) => Some(Reason::Timeout),
        };
        if let Some(reason) = unsent {
            self.jail.kill();
            let evidence = self.evidence(&before, reason, &request)?;
            let duration = before.at.elapsed();
            let traffic = passage.map(Passage::shut).unwrap_or_default();
            let used = Used { duration, traffic };
            return self.conclude(channel, &before, &evidence, used);
        }
        self.has_run = true;
        let mut reason = self.watch(&mut channel, &request, &before).await;
        if reason == Reason::Died && self.cancelled.load(Ordering::Acquire) {
            reason = Reason::Cancelled;
        }
        let duration = before.at.elapsed();
        if !matches!(reason, Reason::Ended(_) | Reason::Answered) {
            // Nobody waits for it to be dead, which takes a moment for each process of it: what
            // was printed before is in the pipes.
            self.jail.kill();
            if matches!(reason, Reason::Died) && self.single_use {
                reason = Reason::Ended(self.own_end().await);
            }
        }
        let traffic = passage.map(Passage::shut).unwrap_or_default();
        take_rest(&mut channel, longest(&request));
        // The last of a flood may have come with the answer.
        let is_over = matches!(reason, Reason::Ended(_) | Reason::Answered);
        let Channel { stdout, stderr, .. } = &channel;
        if is_over && self.is_flooded(stdout, stderr) {
            reason = Reason::OutputTooLarge;
        }
        if !matches!(
            reason,
            Reason::Ended(Ended { signal: None, .. }) | Reason::Answered
        ) {
            channel.stdout.cut();
            channel.stderr.cut();
        }
        let evidence = self.evidence(&before, reason, &request)?;
        let used = Used { duration, traffic };
        let mut done = self.conclude(channel, &before, &evidence, used)?;
        done.result = match done.result {
            Ok(result) => covered(mask, result).await,
            Err(failure) => Err(failure.masked(&mask)),
        };
        Ok(done)
    }

    /// Until the execution is over, one way or another.
    async fn watch(
        &mut self,
        channel: &mut Channel,
        request: &Request<'_>,
        before: &Before,
    ) -> Reason {
        let profile = self.jail.host.profile();
        let deadline = before.at + profile.patience(request.timeout);
        let bound = longest(request);
        let Channel {
            answer,
            stdout,
            stderr,
        } = channel;
        let mut live = request.tap.map(|tap| Live::new(tap, before.at));
        let mut look = Look::new();
        loop {
            let told = live.as_ref().and_then(Live::due).unwrap_or(deadline);
            tokio::select! {
                biased;
                ended = self.jail.control.receive(ENDED_BYTES) => return over(ended),
                // A closed stream is told by the stream itself.
                _ = answer.fill(), if answer.is_open() => {}
                _ = stdout.fill(), if stdout.is_open() => {}
                _ = stderr.fill(), if stderr.is_open() => {}
                dead = self.jail.first.readable() => {
                    drop(dead);
                    return Reason::Died;
                }
                () = sleep_until(deadline.min(look.next).min(told).into()) => {
                    if !look.is_heard {
                        look.is_heard = stdout.watch().and_then(|()| stderr.watch()).is_ok();
                        // With no descriptor to spare, now and then.
                        take_pipe(stdout);
                        take_pipe(stderr);
                    }
                    if look.is_due() && look.is_short_of_memory(self.oom_kills() > before.counters.oom_kills) {
                        return Reason::OutOfMemory;
                    }
                }
            }
            if profile.bound_output && answer.got.len() > bound {
                return Reason::AnswerTooLarge;
            }
            if is_whole(&answer.got) {
                return Reason::Answered;
            }
            if self.is_flooded(stdout, stderr) {
                return Reason::OutputTooLarge;
            }
            if Instant::now() >= deadline {
                return Reason::Timeout;
            }
            if let Some(live) = &mut live {
                live.heard(stdout.kept(), stderr.kept());
            }
        }
    }

    fn is_flooded(&self, stdout: &Capture, stderr: &Capture) -> bool {
        let bounded = self.jail.host.profile().bound_output;
        bounded && stdout.total() + stderr.total() > LOG_DRAIN_BYTES
    }

    pub(crate) fn oom_kills(&self) -> u64 {
        self.jail
            .remains
            .as_ref()
            .map_or(0, |remains| remains.group.oom_kills())
    }

    /// How a template that ran the execution itself ended: nsjail passes it on.
    async fn own_end(&mut self) -> Ended {
        let until = Instant::now() + SETTLE;
        let mut ended = Ended::default();
        while let Some(remains) = self.jail.remains.as_mut() {
            match remains.nsjail.try_wait() {
                Ok(Some(status)) => {
                    let code = status.code().unwrap_or_default();
                    ended.exit = (code <= 128).then_some(code);
                    ended.signal = (code > 128).then_some(code - 128);
                    break;
                }
                Ok(None) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                _ => break,
            }
        }
        ended
    }

    fn evidence(
        &self,
        before: &Before,
        reason: Reason,
        request: &Request<'_>,
    ) -> Result<Evidence, SandboxError> {
        let now = self.jail.remains()?.group.counters();
        Ok(Evidence {
            reason,
            oom_kills: now.oom_kills.saturating_sub(before.counters.oom_kills),
            pids_refused: now
                .pids_refused
                .saturating_sub(before.counters.pids_refused),
            cpu: now.cpu.saturating_sub(before.counters.cpu),
            limits: self.limits,
            timeout: request.timeout,
            output_bytes: request.output_bytes,
            strict: self.jail.host.profile().strict_frames,
        })
    }

    fn conclude(
        &mut self,
        channel: Channel,
        before: &Before,
        evidence: &Evidence,
        Used { duration, traffic }: Used,
    ) -> Result<Done, SandboxError> {
        let (result, sound) = judge(evidence, &channel.answer.got);
        let remains = self.jail.remains.as_ref().ok_or(SandboxError::Gone)?;
        let result = result.map_err(|failure| match &self.jail.network {
            Some(network) if traffic.is_cut => failure.after_cut(network.bytes),
            _ => failure,
        });
        let memory_peak = before.peak(&remains.group, self.memory_limit);
        let reusable = sound && !self.single_use && !self.cancelled.load(Ordering::Acquire);
        let Channel {
            answer,
            stdout,
            stderr,
        } = channel;
        if reusable {
            self.next = Next::Unsettled(Answered {
                answer,
                has_ended: matches!(evidence.reason, Reason::Ended(_)),
                oom_kills: before.counters.oom_kills,
                cpu: before.counters.cpu + evidence.cpu,
            });
        } else {
            self.jail.kill();
        }
        let (stdout, out_cut) = stdout.into_text();
        let (stderr, err_cut) = stderr.into_text();
        Ok(Done {
            result,
            truncated: out_cut || err_cut,
            stdout,
            stderr,
            cpu: evidence.cpu,
            duration,
            memory_peak,
            traffic,
            reusable,
        })
    }
}

/// The longest answer that is taken in.
fn longest(request: &Request<'_>) -> usize {
    HEADER + request.output_bytes.max(FAILURE_BYTES)
}

/// The request's frame; its value is where the input begins.
fn order(request: &Request<'_>) -> io::Result<Vec<u8>> {
    let context = serde_json::to_vec(&request.context)?;
    let most = u32::try_from(request.output_bytes).unwrap_or(u32::MAX);
    let environment = request.environment.to_json()?;
    let length = u32::try_from(environment.len()).map_err(io::Error::other)?;
    let told = [
        &most.to_be_bytes(),
        &length.to_be_bytes(),
        environment.as_slice(),
        context.as_slice(),
    ];
    let begins: usize = told.iter().map(|part| part.len()).sum();
    let [most, length, environment, context] = told;
    let parts = [most, length, environment, context, request.input];
    Ok(frame(Kind::Request, begins as u64, &parts))
}

/// The result with values covered; a long one elsewhere, for others run on this thread. The
/// code has run: where that came to nothing it has no result, and does not run again.
async fn covered(mask: Mask, result: Vec<u8>) -> Result<Vec<u8>, Failure> {
    const LONG: usize = 16 << 10;
    if mask.is_empty() || result.len() <= LONG {
        return Ok(mask.json(result));
    }
    let covering = tokio::task::spawn_blocking(move || mask.json(result));
    covering.await.map_err(|error| {
        tracing::error!(error = %error, "a result could not be looked through");
        let text = "the result could not be looked through for secrets";
        Failure::new(FailureCode::Killed, text)
    })
}

/// The template's word about a process that has ended.
pub(crate) fn over(ended: Result<(Header, Vec<u8>), ControlError>) -> Reason {
    let Ok((header, body)) = ended else {
        return Reason::Died;
    };
    let Ok([s0, s1, s2, s3, f0, f1, f2, f3]) = <[u8; 8]>::try_from(body) else {
        return Reason::Died;
    };
    if header.kind != Kind::Ended {
        return Reason::Died;
    }
    let status = u32::from_be_bytes([s0, s1, s2, s3]);
    let flags = u32::from_be_bytes([f0, f1, f2, f3]);
    let signal = status & 0x7f;
    Reason::Ended(Ended {
        exit: (signal == 0).then(|| i32::from((status >> 8).to_le_bytes()[0])),
        signal: (signal != 0).then(|| i32::from(signal.to_le_bytes()[0])),
        dirty: flags & DIRTY != 0,
    })
}

/// Whether all of a frame has come.
pub(crate) fn is_whole(got: &[u8]) -> bool {
    let header = got.first_chunk::<HEADER>().map(Header::parse);
    let Some(Ok(header)) = header else {
        return false;
    };
    usize::try_from(header.length).is_ok_and(|length| got.len() >= HEADER + length)
}

/// What was written before the end, or before the answer.
fn take_rest(channel: &mut Channel, bound: usize) {
    channel.answer.take_rest(bound);
    take_pipe(&mut channel.stdout);
    take_pipe(&mut channel.stderr);
}

/// What is in the pipe. A writer that goes on meanwhile is not listened to for ever, since
/// nothing else runs until then: a pipe holds no more than this.
fn take_pipe(capture: &mut Capture) {
    let most = LOG_DRAIN_BYTES.min(capture.total() + PIPE);
    capture.take_rest(most);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_writer_that_never_stops_is_left_after_what_a_pipe_holds() {
        let (mut capture, far) = Capture::make(16).unwrap();
        nix::fcntl::fcntl(&far, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
        let writer = std::thread::spawn(move || {
            let mut far = std::fs::File::from(far);
            // Until nobody reads any more.
            while far.write_all(&[b'x'; 1 << 20]).is_ok() {}
        });
        let mut before = 0;
        while before <= 2 * PIPE {
            take_pipe(&mut capture);
            assert!(capture.total() <= before + PIPE + (16 << 10));
            before = capture.total();
        }
        drop(capture);
        writer.join().unwrap();
    }
}
