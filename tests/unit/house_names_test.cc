// In a unity build (.ci/run) the files of a target are one translation unit, and so are their
// anonymous namespaces. A name that two of them define would break that build alone, hours after
// the fact: this says so at once. It reads what the formatter left, not C++: definitions at the
// start of a line.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

namespace fs = std::filesystem;

std::string FileText(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What a line defines for the whole file: "Report", "kLimit", or for a function, of which there may
// be several of one name, "Send(int fd, const Target& target": its parameters, as far as they are
// on that line.
std::string DefinedBy(const std::string& line) {
  static const std::regex not_ours(
      R"(^(using|template|namespace|static_assert|extern|friend|return|case)\b.*)"
      R"(|^(struct|class|union|enum)\b[^{]*;$|^(TEST|TYPED_TEST|INSTANTIATE)\w*\(.*)");
  static const std::regex type(
      R"(^(?:struct|class|union|enum(?: class)?) (\w+)(?:[^;]*| .*\{.*)$)");
  static const std::regex matcher(R"(^(?:MATCHER|ACTION)\w*\((\w+).*)");
  static const std::regex alias(R"(^using (\w+) =.*)");
  static const std::regex function(R"(^[\w:].*?\b(\w+\([^)]*).*)");
  static const std::regex variable(R"(^[\w:].*?\b(\w+)(?:\[[^\]]*\])?(?: =|\{|;).*)");
  std::smatch found;
  for (const std::regex& definition : {std::cref(matcher), std::cref(alias)}) {
    if (std::regex_match(line, found, definition)) return found[1];
  }
  if (std::regex_match(line, not_ours)) return "";
  const size_t equals = line.find(" = ");
  const bool before_parameters = equals != std::string::npos && equals < line.find('(');
  if (std::regex_match(line, found, type)) return found[1];
  if (!before_parameters && std::regex_match(line, found, function)) return found[1];
  if (std::regex_match(line, found, variable)) return found[1];
  return "";
}

// The names in the anonymous namespaces of a file, which are not indented. An alias of the same
// meaning may stand in several files.
std::set<std::string> AnonymousNames(const std::string& text) {
  std::set<std::string> names;
  std::istringstream stream(text);
  bool inside = false;
  for (std::string line; std::getline(stream, line);) {
    if (line == "namespace {") {
      inside = true;
    } else if (line == "}  // namespace") {
      inside = false;
    } else if (inside && !line.empty() && (std::isalpha(line[0]) != 0 || line[0] == ':')) {
      if (const std::string name = DefinedBy(line); !name.empty()) names.insert(name);
    }
  }
  return names;
}

using Texts = std::map<std::string, std::string>;  // file -> its text

// What two files of a target both define: "Report: a.cc, b.cc".
std::vector<std::string> SharedNames(const Texts& target) {
  std::map<std::string, std::string> files_of;
  std::set<std::string> shared;
  for (const auto& [file, text] : target) {
    for (const std::string& name : AnonymousNames(text)) {
      std::string& files = files_of[name];
      if (!files.empty()) shared.insert(name);
      files += (files.empty() ? "" : ", ") + file;
    }
  }
  std::vector<std::string> found;
  for (const std::string& name : shared) found.push_back(name + ": " + files_of[name]);
  return found;
}

// The .cc files that each command of a CMakeLists.txt names, one list for each target.
std::vector<std::vector<std::string>> TargetsOf(const std::string& cmake) {
  static const std::regex command(
      R"((\w*(?:library|executable|binary|test|bench))\s*\(([^()]*)\))");
  static const std::regex source(R"([\w./-]+\.cc\b)");
  std::vector<std::vector<std::string>> targets;
  for (std::sregex_iterator it(cmake.begin(), cmake.end(), command), end; it != end; ++it) {
    const std::string arguments = (*it)[2];
    std::vector<std::string> files;
    for (std::sregex_iterator s(arguments.begin(), arguments.end(), source); s != end; ++s) {
      files.push_back(s->str());
    }
    targets.push_back(files);
  }
  return targets;
}

TEST(HouseNamesTest, AnonymousNamesAreUniqueInATarget) {
  size_t files = 0;
  for (const char* top : {"services", "cli", "tests"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(CENTER_SOURCE_DIR) / top)) {
      if (entry.path().filename() != "CMakeLists.txt") continue;
      for (const auto& sources : TargetsOf(FileText(entry.path()))) {
        Texts target;
        for (const std::string& source : sources) {
          const fs::path path = entry.path().parent_path() / source;
          if (fs::exists(path)) target[path.filename().string()] = FileText(path);
        }
        files += target.size();
        for (const std::string& shared : SharedNames(target)) {
          ADD_FAILURE() << entry.path().parent_path().string() << ": " << shared
                        << ": rename one, or share it in a header";
        }
      }
    }
  }
  EXPECT_GT(files, 200u) << "the targets were not found in " << CENTER_SOURCE_DIR;
}

// ---- The rule can fail ----------------------------------------------------------------------

std::string Anonymous(const std::string& code) {
  return "namespace {\n" + code + "\n}  // namespace\n";
}

TEST(HouseNamesRulesTest, TypesConstantsFunctionsAndAliasesAreNames) {
  EXPECT_THAT(AnonymousNames(Anonymous("struct Report {\n  int inner = 0;\n};\n"
                                       "enum class Color { kRed };\n"
                                       "constexpr size_t kLimit = 10 * Twice(2);\n"
                                       "const char kName[] = \"x\";\n"
                                       "std::atomic<bool> stopped{false};\n"
                                       "using Clock = std::chrono::steady_clock;\n"
                                       "absl::Status Send(int fd) {\n  return Write(fd);\n}\n"
                                       "MATCHER_P(IsNamed, name, \"\") {\n}")),
              UnorderedElementsAre("Report", "Color", "kLimit", "kName", "stopped", "Clock",
                                   "Send(int fd", "IsNamed"));
}

TEST(HouseNamesRulesTest, DeclarationsTestsAndWhatIsNotAnonymousAreNot) {
  EXPECT_THAT(AnonymousNames("int Outside() {\n}\n" +
                             Anonymous("class Declared;\nusing ::testing::_;\n"
                                       "TEST_F(ReportTest, Works) {\n  int inside = 0;\n}\n"
                                       "// struct Commented {")),
              IsEmpty());
}

TEST(HouseNamesRulesTest, ANameInTwoFilesIsTold) {
  const std::string one = Anonymous("struct Report {\n};\nint Run(int a) {\n}");
  EXPECT_THAT(SharedNames({{"a.cc", one}, {"b.cc", Anonymous("struct Report {")}}),
              ElementsAre("Report: a.cc, b.cc"));
  EXPECT_THAT(SharedNames({{"a.cc", one}, {"b.cc", Anonymous("int Run(double a) {")}}), IsEmpty())
      << "an overload";
}

TEST(HouseNamesRulesTest, TheFilesOfATargetAreThoseOfOneCommand) {
  EXPECT_THAT(TargetsOf("# a comment (with a.cc)\n"
                        "center_library(x\n  SRCS a.cc b.cc\n  DEPS y)\n"
                        "target_link_libraries(x PUBLIC z)\n"
                        "center_unit_test(x_test SRCS a_test.cc)\n"),
              UnorderedElementsAre(ElementsAre("a.cc", "b.cc"), ElementsAre("a_test.cc")));
  EXPECT_THAT(TargetsOf("add_executable(x main.cc)"), Contains(ElementsAre("main.cc")));
}

}  // namespace
}  // namespace center
