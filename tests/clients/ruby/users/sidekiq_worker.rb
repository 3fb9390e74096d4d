# Sidekiq, in its own worker process: jobs wait in lists for BRPOP, and in sorted sets (until their time, or to be tried again)
# from which a script takes them. Called with host, port and password.
require "tmpdir"
require "timeout"

ENV["HOST"], ENV["PORT"], ENV["PASSWORD"] = ARGV
FOLDER = Dir.mktmpdir
at_exit { FileUtils.remove_entry(FOLDER) }
ENV["LEDGER"] = File.join(FOLDER, "ledger")
File.write(ENV["LEDGER"], "")
LOG = File.join(FOLDER, "log")
GO_ON = File.join(FOLDER, "go on")

require_relative "sidekiq_jobs"
require "sidekiq/api"

def notes
  File.readlines(ENV["LEDGER"], chomp: true)
end

# Ends the script unless both are the same.
def equal(got, wanted, what)
  abort "#{what}: got #{got.inspect}, wanted #{wanted.inspect}" unless got == wanted
end

# Returns when the block's condition holds; ends the script when it does not in a minute.
def eventually(what)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 60
  until yield
    abort "waited in vain for #{what}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
    sleep 0.01
  end
end

# Runs a worker until the block ends, then asks it to end. It gives its threads three seconds: those that wait for a job do so
# for up to two, and what is pushed back before that goes to one that is to be ended.
def worker(threads, *queues)
  options = ["-c", threads.to_s, "-t", "3", *queues.flat_map { |queue| ["-q", queue] }]
  process = Process.spawn("sidekiq", "-e", "production", "-r", File.join(__dir__, "sidekiq_jobs.rb"), *options, %i[out err] => [LOG, "a"], in: File::NULL)
  begin
    yield
    Process.kill("TERM", process)
    Timeout.timeout(20) { Process.wait(process) }
    process = nil
  rescue SystemExit
    warn File.read(LOG)
    raise
  ensure
    if process
      Process.kill("KILL", process)
      Process.wait(process)
    end
  end
end

# Pushed before there is a worker. One thread does them in their order, and never one of a later queue before one of an earlier.
50.times { |number| Note.set(queue: "low").perform_async("low #{number}") }
Note.set(queue: "urgent").perform_bulk((0...20).map { |number| ["urgent #{number}"] })
equal [Sidekiq::Queue.new("low").size, Sidekiq::Queue.new("urgent").size], [50, 20], "jobs that wait"
order = (0...20).map { |number| "urgent #{number}" } + (0...50).map { |number| "low #{number}" }
worker(1, "urgent", "low") { eventually("both queues") { notes.length >= 70 } }
equal notes, order, "the order"

# Many at once, while others are pushed; tried again, or kept aside; not before their time.
worker(5, "default") do
  pushers = 3.times.map do |pusher|
    Thread.new { 100.times { |number| Note.perform_async("job #{pusher} #{number}") } }
  end
  pushers.each(&:join)
  Flaky.perform_async(2)
  Hopeless.perform_async(7)
  due = Time.now + 0.5
  Note.perform_at(due, "later")
  never = Note.perform_in(600, "never")
  eventually("the job with a time") { notes.include?("later") }
  equal Time.now >= due, true, "its time has come"
  eventually("the last attempts") do
    Sidekiq::RetrySet.new.retry_all # Somebody does not want to wait for the time of the next attempt.
    notes.count("flaky is tried") >= 3 && Sidekiq::DeadSet.new.size == 1
  end
  dead = Sidekiq::DeadSet.new.first
  equal [dead.klass, dead.args, dead["error_message"]], ["Hopeless", [7], "no article 7"], "the dead job"
  equal Sidekiq::ScheduledSet.new.find_job(never).delete, true, "taking back a job"
  equal Sidekiq::ProcessSet.new.map { |process| process["queues"] }, [["default"]], "workers"

  # What is not done when the worker has to end goes back to its queue.
  Long.perform_async(GO_ON)
  eventually("the long job") { notes.include?("long begins") }
end
equal notes.include?("long ends"), false, "the long job was not done"
equal Sidekiq::Queue.new("default").map(&:klass), ["Long"], "what waits for another worker"
File.write(GO_ON, "")
worker(2, "default") { eventually("the long job's end") { notes.include?("long ends") } }

# All that was done was done once.
done = order + 3.times.flat_map { |pusher| 100.times.map { |number| "job #{pusher} #{number}" } }
done += ["flaky is tried"] * 3 + ["hopeless is tried", "later", "long begins", "long begins", "long ends"]
lost, doubled = [done.tally, notes.tally].then { |wanted, got| [wanted.reject { |note, count| got[note] == count }, got.reject { |note, count| wanted[note] == count }] }
equal [lost, doubled], [{}, {}], "notes that are missing or not as often as they should be"
left = Sidekiq::Queue.all.sum(&:size) + Sidekiq::RetrySet.new.size + Sidekiq::ScheduledSet.new.size
equal left, 0, "jobs that are left"
stats = Sidekiq::Stats.new
equal [stats.processed, stats.failed], [70 + 300 + 3 + 1 + 1 + 2, 4], "jobs that were begun, and those that failed or were given up"
