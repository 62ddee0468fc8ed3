// What the settings of servers and of clients have in common: how a request changes them, and how
// their limits are checked.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"

namespace center {

struct SpecProblem {
  std::string field;        // of the settings: "max_payload_bytes", "pace.rate"
  std::string description;  // what is wrong, what would be right
};
using SpecProblems = std::vector<SpecProblem>;

void AddProblem(absl::string_view field, absl::string_view description, SpecProblems* problems);

// Adds a problem of `field` unless min <= value <= max.
template <typename Number>
void CheckRange(absl::string_view field, Number value, Number min, Number max,
                SpecProblems* problems) {
  if (value >= min && value <= max) return;
  AddProblem(field, absl::StrCat("is ", value, "; must be from ", min, " to ", max), problems);
}
void CheckDuration(absl::string_view field, const google::protobuf::Duration& duration,
                   absl::Duration min, absl::Duration max, SpecProblems* problems);

// Takes over into *base every field that `request` sets: a number or text that is not zero, a
// duration that is not, any other message that is there, as a whole. REQUIRES: of one type.
void MergeFields(const google::protobuf::Message& request, google::protobuf::Message* base);

// True when MergeFields keeps the base's value of this field: it is absent or zero.
bool IsLeftOut(const google::protobuf::Message& settings,
               const google::protobuf::FieldDescriptor& field);

// Clears the fields that IsLeftOut, and returns their names: what a request is to reset when it is
// to have its own settings and defaults only.
google::protobuf::RepeatedPtrField<std::string> TakeLeftOut(google::protobuf::Message* settings);

// Gives the fields of these names their value in `defaults`. A problem of "reset" for a name that
// is none, and for a field that `request` sets.
void ResetFields(const google::protobuf::RepeatedPtrField<std::string>& names,
                 const google::protobuf::Message& request,
                 const google::protobuf::Message& defaults, google::protobuf::Message* base,
                 SpecProblems* problems);

// Protobuf's durations as Abseil's. REQUIRES: CheckDuration found nothing wrong with it.
absl::Duration ToDuration(const google::protobuf::Duration& duration);
google::protobuf::Duration FromDuration(absl::Duration duration);

}  // namespace center
