"""The contracts of the sample month, as a contract manager would write them.

Five brands that buy connected-TV campaigns and six partners that show them. Dates are those of the month at hand: the
contracts start on its first day, so that no earlier month has anything to issue.
"""

from __future__ import annotations

from string import Template

from contracts_io.calendar import Month


def contract_documents(month: Month) -> dict[str, str]:
    """The contracts in force from the first day of ``month``: YAML text (spec 4.1) by contract id, advertisers first."""
    year_on = Month(month.first.year + 1, month.number)
    dates = {
        "first": month.first,
        "tenth": month.first.replace(day=10),
        "twentieth": month.first.replace(day=20),
        "year_end": year_on.previous.last,
        "last_of_next": month.next.last,
    }
    return {contract_id: Template(text.lstrip()).substitute(dates) for contract_id, text in _DOCUMENTS.items()}


_DOCUMENTS = {
    "northlane-ctv": """
# Northlane: streaming retail. Brand spots by the thousand, performance lines by the order.
contract_id: northlane-ctv
side: advertiser
party: {id: northlane, name: "Northlane Stores, Inc.", country: US}
currency: USD
timezone: America/New_York
starts_on: $first
ends_on: $year_end
payment_terms_days: 30
agency_commission: "0.15"
renewal: {mode: auto, months: 12, notice_days: 60, uplift: "0.03"}
attribution:
  model: position_based
  lookback: {view: 14d, click: 30d}
eligibility:
  order_dedup_days: 30              # the shop's tag fires again when a receipt is opened
  eligible_when: "event <> 'purchase' OR order_value >= 5"
partner_overrides:
  - partner_id: couponista          # coupon sites are seen at the till: a shorter view window
    lookback: {view: 1d}
terms:
  - term_id: brand-primetime
    line_items: [NL-1001, NL-1002]
    pricing:
      model: cpm
      rate: "32.50"
      billable_on: completed
      multipliers:
        daypart: [{days: [mon, tue, wed, thu, fri, sat, sun], from: 19, to: 23, factor: "1.25"}]
  - term_id: brand-reach            # the more of it, the cheaper the next thousand
    line_items: [NL-1003]
    pricing:
      model: cpm
      tiers: {mode: graduated, steps: [{up_to: 10000, rate: "24.00"}, {rate: "19.00"}]}
  - term_id: orders
    line_items: [NL-1010, NL-1011]
    pricing:
      model: cpa
      event: purchase
      fee: {type: percent, rate: "0.08", minimum: "1.50", maximum: "25.00"}
  - term_id: signups                # the same lines also earn for a new Northlane Plus member
    line_items: [NL-1010, NL-1011]
    pricing:
      model: cpa
      event: signup
      fee: {type: flat, amount: "9.00"}
""",
    "velora-launch": """
# Velora Motors: launch of a saloon car. The second flight starts on the tenth.
contract_id: velora-launch
side: advertiser
party: {id: velora, name: Velora Motors of America LLC, country: US}
currency: USD
timezone: America/Los_Angeles
starts_on: $first
ends_on: $last_of_next
payment_terms_days: 45
attribution:
  model: last_touch
  lookback: {view: 14d, click: 30d}
  view_basis: completed             # only a spot seen to its end may claim a test drive
terms:
  - term_id: launch-teaser
    line_items: [VM-2001]
    ends_on: $twentieth
    pricing: {model: cpm, rate: "38.00", billable_on: completed, impression_cap: 6000}
  - term_id: launch-main
    line_items: [VM-2002, VM-2003]
    starts_on: $tenth
    pricing: {model: cpm, rate: "42.00", billable_on: completed, budget: "500.00"}
  - term_id: test-drives            # a booked test drive is reported as a signup
    line_items: [VM-2010]
    pricing:
      model: cpa
      event: signup
      fee: {type: flat, amount: "35.00"}
""",
    "harbor-quotes": """
# Harbor Mutual: insurance. A quote counts a week later: until then a customer may withdraw it.
contract_id: harbor-quotes
side: advertiser
party: {id: harbor, name: Harbor Mutual Insurance Company, country: US}
currency: USD
timezone: America/New_York
starts_on: $first
ends_on: null                       # open ended
payment_terms_days: 30
validation_days: 7
minimum_monthly: "1500.00"
attribution:
  model: linear                     # every contact counts the same, seen or clicked
  lookback: {view: 7d, click: 30d}
  click_over_view: false
  view_basis: viewable
terms:
  - term_id: brand
    line_items: [HM-3001, HM-3002]
    pricing: {model: cpm, rate: "27.75", billable_on: viewable}
  - term_id: quotes
    line_items: [HM-3010, HM-3011]
    pricing:
      model: cpa
      event: signup
      fee: {type: flat, amount: "24.00"}
""",
    "pixelkeep-installs": """
# Pixelkeep: mobile games. Registrations at a flat price, in-game purchases by share.
contract_id: pixelkeep-installs
side: advertiser
party: {id: pixelkeep, name: "Pixelkeep Games, Inc.", country: US}
currency: USD
timezone: America/Los_Angeles
starts_on: $first
ends_on: $year_end
payment_terms_days: 15
attribution:
  model: last_touch
  lookback: {view: 24h, click: 7d}
partner_overrides:
  - partner_id: dealhive            # no incentivised traffic
    excluded: true
terms:
  - term_id: awareness
    line_items: [PK-4001]
    pricing: {model: cpm, rate: "18.00", billable_on: served}
  - term_id: registrations
    line_items: [PK-4010, PK-4011]
    pricing:
      model: cpa
      event: signup
      fee: {type: flat, amount: "4.50"}
  - term_id: in-game-purchases
    line_items: [PK-4010, PK-4011]
    pricing:
      model: cpa
      event: purchase
      fee: {type: percent, rate: "0.12"}
""",
    "alpenblick-reisen": """
# Alpenblick: travel, billed in euros by the German calendar.
contract_id: alpenblick-reisen
side: advertiser
party: {id: alpenblick, name: Alpenblick Reisen GmbH, country: DE}
currency: EUR
timezone: Europe/Berlin
starts_on: $first
ends_on: $year_end
payment_terms_days: 14
tax: {category: S, rate: "0.19"}
attribution:
  model: time_decay
  half_life: 7
  lookback: {view: 14d, click: 30d}
terms:
  - term_id: reise-spots
    line_items: [AR-5001, AR-5002]
    pricing: {model: cpm, rate: "29.00", billable_on: viewable}
  - term_id: buchungen
    line_items: [AR-5010]
    pricing:
      model: cpa
      event: purchase
      fee: {type: percent, rate: "0.035", minimum: "2.00", maximum: "60.00"}
""",
    "cinewave-publisher": """
# Cinewave: films on demand, paid for spots that ran to their end.
contract_id: cinewave-publisher
side: partner
party: {id: cinewave, name: "Cinewave Streaming, Inc.", country: US}
currency: USD
timezone: America/New_York
starts_on: $first
ends_on: $year_end
payment_terms_days: 45
terms:
  - term_id: velora-premium         # the launch buys the first break
    line_items: [VM-2002, VM-2003]
    pricing: {model: cpm, rate: "24.00", billable_on: completed}
  - term_id: all-spots
    pricing: {model: cpm, rate: "15.50", billable_on: completed}
""",
    "homescreen-publisher": """
# Homescreen: the tiles and breaks of a television maker.
contract_id: homescreen-publisher
side: partner
party: {id: homescreen, name: Homescreen Media LLC, country: US}
currency: USD
timezone: America/Los_Angeles
starts_on: $first
ends_on: $year_end
payment_terms_days: 60
terms:
  - term_id: all-spots              # a share of what the brands are charged
    pricing: {model: revenue_share, share: "0.55"}
""",
    "playdeck-publisher": """
# Playdeck: games and short clips on phones and consoles. CPM for films, a flat fee for registrations.
contract_id: playdeck-publisher
side: partner
party: {id: playdeck, name: Playdeck Interactive Ltd., country: CA}
currency: USD
timezone: America/New_York
starts_on: $first
ends_on: null
payment_terms_days: 30
minimum_payout: "250.00"            # less is carried forward
terms:
  - term_id: spots
    line_items: [NL-1001, NL-1003, HM-3001, PK-4001]
    pricing: {model: cpm, rate: "8.75", billable_on: completed}
  - term_id: registrations
    advertisers: [pixelkeep]
    pricing:
      model: cpa
      event: signup
      fee: {type: flat, amount: "2.75"}
  - term_id: in-game-purchases
    advertisers: [pixelkeep]
    pricing:
      model: cpa
      event: purchase
      fee: {type: percent, rate: "0.07"}
""",
    "dealhive-affiliate": """
# Dealhive: comparison and cash-back pages.
contract_id: dealhive-affiliate
side: partner
party: {id: dealhive, name: "Dealhive, Inc.", country: US}
currency: USD
timezone: America/New_York
starts_on: $first
ends_on: $year_end
payment_terms_days: 30
validation_days: 7                  # paid on when the brand's own validation has passed
withholding: "0.10"
terms:
  - term_id: orders
    pricing:
      model: cpa
      event: purchase
      fee: {type: percent, rate: "0.05", minimum: "0.75", maximum: "15.00"}
  - term_id: leads
    pricing:
      model: cpa
      event: signup
      fee: {type: flat, amount: "6.00"}
""",
    "couponista-affiliate": """
# Couponista: coupon pages, for Northlane only.
contract_id: couponista-affiliate
side: partner
party: {id: couponista, name: Couponista Media LLC, country: US}
currency: USD
timezone: America/New_York
starts_on: $first
ends_on: $year_end
payment_terms_days: 30
terms:
  - term_id: northlane-orders
    advertisers: [northlane]
    pricing:
      model: cpa
      event: purchase
      fee: {type: percent, rate: "0.03"}
""",
    "reisefunk-publisher": """
# Reisefunk: German travel films; spots by the thousand and a share of bookings.
contract_id: reisefunk-publisher
side: partner
party: {id: reisefunk, name: Reisefunk Medien GmbH, country: DE}
currency: EUR
timezone: Europe/Berlin
starts_on: $first
ends_on: $year_end
payment_terms_days: 30
terms:
  - term_id: spots
    line_items: [AR-5001, AR-5002]
    pricing: {model: cpm, rate: "17.00", billable_on: completed}
  - term_id: buchungen
    pricing:
      model: cpa
      event: purchase
      fee: {type: percent, rate: "0.02", minimum: "1.00"}
""",
}
