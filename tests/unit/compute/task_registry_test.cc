#include "services/worker/compute/task_registry.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/worker/compute/task_state.h"
#include "tests/unit/compute/testing.h"

namespace center::compute {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

int DoNothing(void* /*state*/, center_call* /*call*/) { return 0; }
center_task TaskNamed(const char* name) {
  return {name, "summary", "help", nullptr, nullptr, &DoNothing, nullptr};
}

// Why the module is refused; the registry must be as it was.
std::string WhyNot(const std::string& name) {
  TaskRegistry tasks = TaskRegistry::WithBuiltIns();
  const size_t before = tasks.entries().size();
  const absl::Status status = tasks.LoadModule(ModulePath(name));
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(tasks.entries().size(), before) << "all of a module or nothing";
  EXPECT_THAT(std::string(status.message()), HasSubstr("task module " + ModulePath(name)));
  EXPECT_EQ(status.message().find('\n'), absl::string_view::npos) << "one line";
  return std::string(status.message());
}

TEST(TaskRegistryTest, TheBuiltInTasksAreThereAndSayWhatTheyDo) {
  const TaskRegistry tasks = TaskRegistry::WithBuiltIns();
  EXPECT_EQ(tasks.entries().size(), BuiltInTasks().size()) << "one of them breaks the rules";
  for (const char* name : {"countdown", "echo", "exec", "primes", "sha256", "sleep", "wordcount"}) {
    const TaskRegistry::Entry* entry = tasks.Find(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_STREQ(entry->task.name, name);
    EXPECT_EQ(entry->module, "");
    EXPECT_STRNE(entry->task.summary, "");
    EXPECT_THAT(entry->task.help, HasSubstr("Result:")) << name;
    EXPECT_EQ(std::string(entry->task.help).back(), '\n') << name;
  }
  EXPECT_EQ(tasks.Find("nonsense"), nullptr);
  EXPECT_EQ(tasks.Find(""), nullptr);
}

TEST(TaskRegistryTest, AModulesTasksAreThereToo) {
  TaskRegistry tasks = TaskRegistry::WithBuiltIns();
  const absl::Status loaded = tasks.LoadModule(ModulePath("reverse"));
  ASSERT_TRUE(loaded.ok()) << loaded;
  ASSERT_NE(tasks.Find("reverse"), nullptr);
  EXPECT_EQ(tasks.Find("reverse")->module, ModulePath("reverse"));
}

TEST(TaskRegistryTest, AModuleWrittenInCRuns) {
  TaskRegistry tasks = TaskRegistry::WithBuiltIns();
  ASSERT_TRUE(tasks.LoadModule(ModulePath("reverse")).ok());
  Engine engine({}, tasks, nullptr, RealClock());
  EXPECT_THAT(Unpack(RunChunk(engine, MakeChunk("reverse", {"abc", "", "x"})).results),
              ElementsAre("cba", "", "x"));
  EXPECT_THAT(Unpack(RunChunk(engine, MakeChunk("reverse", {"abc"}, {"upper"})).results),
              ElementsAre("CBA"));
  const ChunkResult refused = RunChunk(engine, MakeChunk("reverse", {"abc"}, {"lower"}));
  ASSERT_EQ(refused.failures.size(), 1u);
  EXPECT_EQ(refused.failures[0].message, "reverse takes one argument at most: upper");
}

TEST(TaskRegistryTest, AModuleThatCannotBeUsedIsRefusedWithTheReason) {
  EXPECT_THAT(WhyNot("missing"), AllOf(HasSubstr("cannot be loaded"), HasSubstr("No such file")));
  EXPECT_THAT(WhyNot("no_symbol"), HasSubstr("exports no center_task_module_get"));
  EXPECT_THAT(WhyNot("other_abi"), HasSubstr("has ABI version 2, this worker has 1"));
  EXPECT_THAT(WhyNot("throws_at_load"), HasSubstr("has thrown: no licence"));
  EXPECT_THAT(WhyNot("returns_null"), HasSubstr("has returned NULL"));
  EXPECT_THAT(WhyNot("short_table"), HasSubstr("task_bytes is 8, not"));
  EXPECT_THAT(WhyNot("bad_name"), HasSubstr("a task's name must have"));
  EXPECT_THAT(WhyNot("duplicate"), HasSubstr("task sha256 is there already: built in"));
  EXPECT_THAT(WhyNot("no_run"), HasSubstr("task fine must have either run or run_many"));
}

TEST(TaskRegistryTest, AModuleGivenTwiceIsADuplicate) {
  TaskRegistry tasks = TaskRegistry::WithBuiltIns();
  ASSERT_TRUE(tasks.LoadModule(ModulePath("reverse")).ok());
  EXPECT_THAT(std::string(tasks.LoadModule(ModulePath("reverse")).message()),
              HasSubstr("task reverse is there already: from " + ModulePath("reverse")));
}

TEST(TaskRegistryTest, NamesKeepTheRule) {
  TaskRegistry tasks;
  EXPECT_TRUE(tasks.Add(TaskNamed("a")).ok());
  EXPECT_TRUE(tasks.Add(TaskNamed("a0_x.y-z")).ok());
  EXPECT_TRUE(tasks.Add(TaskNamed(std::string(63, 'n').c_str())).ok());
  for (const std::string& name : {std::string(""), std::string("0a"), std::string("A"),
                                  std::string("a b"), std::string("ä"), std::string(64, 'n')}) {
    EXPECT_FALSE(tasks.Add(TaskNamed(name.c_str())).ok()) << name;
  }
  EXPECT_FALSE(tasks.Add(TaskNamed(nullptr)).ok());
  center_task silent = TaskNamed("silent");
  silent.help = nullptr;
  EXPECT_FALSE(tasks.Add(silent).ok());
}

// ---- States ---------------------------------------------------------------------------------

struct Made {
  int created = 0;
  int destroyed = 0;
};
Made made;

int CreateCounted(center_setup* setup) {
  ++made.created;
  setup->state = &made;
  return 0;
}
void DestroyCounted(void* state) { ++static_cast<Made*>(state)->destroyed; }

TEST(TaskStateCacheTest, AStateServesTheChunksOfItsJobAndArguments) {
  const center_task task{"t", "", "", &CreateCounted, &DestroyCounted, &DoNothing, nullptr};
  made = {};
  {
    TaskStateCache states;
    Chunk chunk;
    chunk.job = "j1";
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(states.Get(task, chunk).ok());
    EXPECT_EQ(made.created, 1);
    chunk.args = {"x"};
    ASSERT_TRUE(states.Get(task, chunk).ok());
    chunk.job = "j2";
    ASSERT_TRUE(states.Get(task, chunk).ok());
    EXPECT_EQ(made.created, 3);
    EXPECT_EQ(made.destroyed, 0);
  }
  EXPECT_EQ(made.destroyed, 3);
}

TEST(TaskStateCacheTest, TheStateThatWasNotUsedForLongestGoesFirst) {
  const center_task task{"t", "", "", &CreateCounted, &DestroyCounted, &DoNothing, nullptr};
  made = {};
  TaskStateCache states;
  const auto get = [&](const std::string& job) {
    Chunk chunk;
    chunk.job = job;
    ASSERT_TRUE(states.Get(task, chunk).ok());
  };
  for (size_t i = 0; i < TaskStateCache::kStatesMax; ++i) get(absl::StrCat("j", i));
  get("j0");
  get("new");
  EXPECT_EQ(made.destroyed, 1) << "j1's";
  const int created = made.created;
  get("j0");
  EXPECT_EQ(made.created, created);
  get("j1");
  EXPECT_EQ(made.created, created + 1);
}

}  // namespace
}  // namespace center::compute
