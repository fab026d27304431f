// The Program archsim.bench.programs.contended as a plain event loop: every service is an event in
// one std::priority_queue, requests wait in one std::priority_queue per resource.
//
// It keeps the timing contract of docs/timing.md as far as that Program uses it: resources of one
// server, queues in the order (ready time, flow, instance, stage, beat), a stage that holds its
// server over its beats, rounds (everything that ends at t ends, then free servers take requests).
//
// usage: priority_queue [flows] [instances] [late]
//   late 0: every instance exists and queues from tick 0, as they are all admitted then
//   late 1: an instance is made when the one before it is first served, as archsim does
// Times are in ticks. Prints one "name value" a line.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <queue>
#include <vector>

namespace {

constexpr int STAGES = 4;
constexpr int FLOWS_PER_ADC = 4;
constexpr int FETCH = 0, READ = 1, CONVERT = 2, SEND = 3;  // each the parent of the next
constexpr int BEATS[STAGES] = {1, 8, 8, 1};
constexpr std::int64_t SERVICE[STAGES] = {3, 100, 40, 2};

struct Event {  // the end of a service
    std::int64_t time;
    std::int32_t flow, instance, stage, beat;
    bool operator<(const Event& other) const { return time > other.time; }
};

struct Request {  // a beat that waits for a server
    std::int64_t ready;
    std::int32_t flow, instance, stage, beat;
    bool operator<(const Request& other) const {
        if (ready != other.ready) return ready > other.ready;
        if (flow != other.flow) return flow > other.flow;
        if (instance != other.instance) return instance > other.instance;
        if (stage != other.stage) return stage > other.stage;
        return beat > other.beat;
    }
};

struct Resource {
    std::priority_queue<Request> waiting;
    bool free = true;
    bool touched = false;  // on the list of resources to look at when the round's ends are done
};

struct Instance {  // beats of each stage that have ended
    std::uint8_t done[STAGES] = {};
};

class Loop {
public:
    Loop(int flows, int instances, bool late)
        : flows_(flows), instances_(instances), late_(late),
          adcs_((flows + FLOWS_PER_ADC - 1) / FLOWS_PER_ADC),
          resources_(1 + adcs_ + flows), state_(std::size_t(flows) * instances),
          finish_(std::size_t(flows) * instances, -1) {}

    void run() {
        for (int flow = 0; flow < flows_; ++flow)
            for (int instance = 0; instance < (late_ ? 1 : instances_); ++instance)
                request(0, flow, instance, FETCH, 0);
        dispatch();
        while (!events_.empty()) {
            now_ = events_.top().time;
            while (!events_.empty() && events_.top().time == now_) {
                const Event event = events_.top();
                events_.pop();
                end(event);
            }
            dispatch();
        }
    }

    std::uint64_t checksum() const {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < finish_.size(); ++i) sum += std::uint64_t(finish_[i]) * (i + 1);
        return sum;
    }

    std::int64_t makespan() const { return now_; }
    std::int64_t services() const { return services_; }
    std::int64_t waited() const { return waited_; }

private:
    int resource_of(int flow, int stage) const {
        if (stage == READ) return 1 + adcs_ + flow;
        return stage == CONVERT ? 1 + flow / FLOWS_PER_ADC : 0;
    }

    void touch(int resource) {
        if (resources_[resource].touched) return;
        resources_[resource].touched = true;
        touched_.push_back(resource);
    }

    void request(std::int64_t ready, int flow, int instance, int stage, int beat) {
        const int resource = resource_of(flow, stage);
        resources_[resource].waiting.push({ready, flow, instance, stage, beat});
        if (resources_[resource].free) touch(resource);
    }

    void serve(int flow, int instance, int stage, int beat) {
        ++services_;
        events_.push({now_ + SERVICE[stage], flow, instance, stage, beat});
        if (late_ && stage == FETCH && instance + 1 < instances_)
            request(0, flow, instance + 1, FETCH, 0);
    }

    void dispatch() {
        while (!touched_.empty()) {
            Resource& resource = resources_[touched_.back()];
            touched_.pop_back();
            resource.touched = false;
            if (!resource.free || resource.waiting.empty()) continue;
            const Request next = resource.waiting.top();
            resource.waiting.pop();
            resource.free = false;
            waited_ += now_ - next.ready;
            serve(next.flow, next.instance, next.stage, next.beat);
        }
    }

    void end(const Event& event) {
        const auto [time, flow, instance, stage, beat] = event;
        const std::size_t at = std::size_t(flow) * instances_ + instance;
        const int done = ++state_[at].done[stage];
        if (stage == READ && done < BEATS[READ]) {
            serve(flow, instance, READ, done);  // it holds its server and all its beats are ready
        } else {
            const int resource = resource_of(flow, stage);
            resources_[resource].free = true;
            if (!resources_[resource].waiting.empty()) touch(resource);
        }
        if (stage == FETCH) request(time, flow, instance, READ, 0);
        if (stage == READ) request(time, flow, instance, CONVERT, beat);
        if (stage == CONVERT && done == BEATS[CONVERT]) request(time, flow, instance, SEND, 0);
        if (stage == SEND) finish_[at] = time;
    }

    int flows_, instances_;
    bool late_;
    int adcs_;
    std::int64_t now_ = 0, services_ = 0, waited_ = 0;
    std::priority_queue<Event> events_;
    std::vector<Resource> resources_;
    std::vector<int> touched_;
    std::vector<Instance> state_;
    std::vector<std::int64_t> finish_;
};

}  // namespace

int main(int argc, char** argv) {
    const int flows = argc > 1 ? std::atoi(argv[1]) : 32;
    const int instances = argc > 2 ? std::atoi(argv[2]) : 2000;
    const bool late = argc > 3 && std::atoi(argv[3]) != 0;
    if (flows < 1 || instances < 1) {
        std::fprintf(stderr, "error: flows and instances must be at least 1\n");
        return 2;
    }
    const auto begun = std::chrono::steady_clock::now();
    Loop loop(flows, instances, late);
    loop.run();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begun;
    std::printf("services %lld\n", static_cast<long long>(loop.services()));
    std::printf("seconds %.6f\n", seconds.count());
    std::printf("services_per_s %.0f\n", static_cast<double>(loop.services()) / seconds.count());
    std::printf("makespan %lld\n", static_cast<long long>(loop.makespan()));
    std::printf("waited %lld\n", static_cast<long long>(loop.waited()));
    std::printf("checksum %llu\n", static_cast<unsigned long long>(loop.checksum()));
}
