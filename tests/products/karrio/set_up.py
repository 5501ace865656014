"""The world of the suites in an empty database: a user with an API key, and a carrier of our own
with a rate sheet, since the generic carrier rates 0.00 without one. Everything is in test mode.

Usage: set_up.py EMAIL PASSWORD KEY, with the environment that Karrio runs in.
"""

import sys

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from karrio.server.providers.models import CarrierConnection, RateSheet, ServiceLevel  # noqa: E402
from karrio.server.user.models import Token  # noqa: E402

# Code, days on the road, currency, where to, and by kilograms the price up to there.
SERVICES = [
    ("standard_service", 3, "USD", [], {1: 10.50, 5: 12.50, 30: 25.00, 1000: 500.00}),
    ("express_service", 1, "USD", [], {1: 21.00, 5: 25.00, 30: 50.00}),
    ("economy_yen", 7, "JPY", ["JP"], {30: 1500.00}),
    ("economy_dinar", 9, "KWD", ["KW"], {30: 4.25}),
    # Nothing at all for who fetches the goods: a price of zero is a price.
    ("collected", 0, "EUR", ["DE"], {1000: 0.00}),
]


def main(email, password, key):
    user = get_user_model().objects.create_superuser(email, password)
    Token.objects.create(key=key, user=user, label="crossdock", test_mode=True)
    sheet = RateSheet.objects.create(
        name="Crossdock", slug="crossdock", carrier_name="generic", created_by=user
    )
    for code, days, currency, countries, prices in SERVICES:
        service = ServiceLevel.objects.create(
            service_name=code.replace("_", " ").title(),
            service_code=code,
            currency=currency,
            transit_days=days,
            weight_unit="KG",
            max_weight=max(prices),
            zone_ids=[code],
            created_by=user,
        )
        sheet.services.add(service)
        sheet.zones = [*sheet.zones, {"id": code, "label": code, "country_codes": countries}]
        lower = 0
        for upper, price in prices.items():
            bracket = {"min_weight": lower, "max_weight": upper, "rate": price}
            sheet.service_rates = [
                *sheet.service_rates,
                {"service_id": service.id, "zone_id": code, **bracket},
            ]
            lower = upper
    sheet.save()
    CarrierConnection.objects.create(
        carrier_code="generic",
        carrier_id="crossdock-fleet",
        credentials={"display_name": "Crossdock Fleet", "custom_carrier_name": "crossdock_fleet"},
        capabilities=["rating", "shipping", "tracking"],
        active=True,
        test_mode=True,
        rate_sheet=sheet,
        created_by=user,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
