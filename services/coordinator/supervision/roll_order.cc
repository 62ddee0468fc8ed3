#include "services/coordinator/supervision/roll_order.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace center::supervision {

absl::Status RollOrder::Begin(absl::string_view server, RollOptions options,
                              std::vector<uint32_t> slots, int64_t began,
                              absl::optional<RollOrder>* roll) {
  if (roll->has_value()) {
    return absl::AlreadyExistsError(
        absl::StrCat("the workers of server ", server, " are being replaced already"));
  }
  if (options.only_slot.has_value() && slots.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no worker ", server, "/", *options.only_slot));
  }
  *roll = RollOrder(std::move(options), std::move(slots), began);
  return absl::OkStatus();
}

RollOrder::RollOrder(RollOptions options, std::vector<uint32_t> slots, int64_t began)
    : options_(std::move(options)),
      pending_(std::move(slots)),
      began_(began),
      total_(static_cast<uint32_t>(pending_.size())) {}

RollOrder::Step RollOrder::Next(const std::vector<RolledSlot>& slots) {
  if (failed_.has_value()) return {.what = What::kEnd, .result = *failed_};
  if (current_.has_value()) {
    const bool stays = *current_ < slots.size() && slots[*current_].stays;
    if (stays && !CurrentIsDone(slots)) return {};
    if (!stays && options_.only_slot.has_value()) {
      return {
          .what = What::kEnd,
          .result = {.outcome = RollOutcome::kStopped, .reason = "it was scaled away meanwhile"}};
    }
    current_.reset();
  }
  // A process that was launched meanwhile, for another reason, is new already.
  std::erase_if(pending_, [&](uint32_t slot) {
    return slot >= slots.size() || !slots[slot].stays || slots[slot].incarnation > began_;
  });
  if (pending_.empty()) return {.what = What::kEnd, .result = {.outcome = RollOutcome::kDone}};
  current_ = NextSlot(slots);
  if (!current_.has_value()) return {};
  std::erase(pending_, *current_);
  old_process_ = slots[*current_].process;
  return {.what = What::kReplace, .slot = *current_};
}

bool RollOrder::CurrentIsDone(const std::vector<RolledSlot>& slots) {
  const RolledSlot& slot = slots[*current_];
  if (!slot.serves || slot.process == old_process_) return false;
  ++replaced_;
  return true;
}

// Those that do not serve cost nothing: they go first. The others wait until all serve, so that
// there is never more than one missing.
absl::optional<uint32_t> RollOrder::NextSlot(const std::vector<RolledSlot>& slots) const {
  for (const uint32_t slot : pending_) {
    if (!slots[slot].serves) return slot;
  }
  const bool others_serve = std::all_of(slots.begin(), slots.end(), [](const RolledSlot& slot) {
    return !slot.stays || slot.serves || slot.given_up;
  });
  if (!others_serve && !options_.only_slot.has_value()) return absl::nullopt;
  return pending_.front();
}

bool RollOrder::IsPending(uint32_t slot) const {
  return std::find(pending_.begin(), pending_.end(), slot) != pending_.end();
}

void RollOrder::Fail(uint32_t slot, absl::string_view worker, absl::string_view reason) {
  if (failed_.has_value()) return;
  failed_ = RollResult{.outcome = RollOutcome::kFailed,
                       .reason = absl::StrCat("worker ", worker, " did not become READY: ", reason),
                       .slot = slot};
}

std::function<void()> RollOrder::Ended(RollResult result) && {
  result.replaced = replaced_;
  return [done = std::move(options_.done), result = std::move(result)] {
    if (done) done(result);
  };
}

}  // namespace center::supervision
