# The jobs of a Sidekiq application, and where its server is.
require "sidekiq"

Redis.silence_deprecations = true # Debian's redis-rb is newer than its Sidekiq.
SERVER = { host: ENV.fetch("HOST"), port: ENV.fetch("PORT").to_i, password: ENV.fetch("PASSWORD") }
Sidekiq.configure_client { |config| config.redis = SERVER }
Sidekiq.configure_server do |config|
  config.redis = SERVER
  config.options[:poll_interval_average] = 0.2 # How often it looks for jobs whose time has come.
end

# Adds a line to the ledger, a file, so that lost and doubled work is seen whatever the server tells.
def note(entry)
  File.open(ENV.fetch("LEDGER"), "a") { |ledger| ledger.syswrite("#{entry}\n") }
end

class Note
  include Sidekiq::Job

  def perform(entry)
    note(entry)
  end
end

# Fails so often before it works.
class Flaky
  include Sidekiq::Job

  def perform(failures)
    note("flaky is tried")
    raise "not yet" unless File.readlines(ENV.fetch("LEDGER"), chomp: true).count("flaky is tried") > failures
  end
end

class Hopeless
  include Sidekiq::Job
  sidekiq_options retry: 0

  def perform(number)
    note("hopeless is tried")
    raise "no article #{number}"
  end
end

# Goes on until a file is there.
class Long
  include Sidekiq::Job

  def perform(file)
    note("long begins")
    sleep 0.01 until File.exist?(file)
    note("long ends")
  end
end
