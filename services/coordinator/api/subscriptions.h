// The store's subscriptions as the relay wants them.
#pragma once

#include "services/common/clock.h"
#include "services/coordinator/relay/payload_relay.h"
#include "services/coordinator/state/store.h"

namespace center::coordinator {

// Both must outlive what is returned.
relay::SubscriptionStore MakeSubscriptionStore(state::Store& store, Clock& clock);

}  // namespace center::coordinator
