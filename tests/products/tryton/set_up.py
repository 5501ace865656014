"""Makes a Tryton database of the world in examples/sandbox/README.md: crossdock.sqlite in FOLDER.

Usage: set_up.py FOLDER. Uses Tryton's own administration and its scripting client, proteus, as the
administrator of a company would.
"""

import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

DATABASE = "crossdock"
MODULES = (
    "party product sale stock account account_invoice account_invoice_stock account_payment "
    "sale_credit_limit sale_price_list sale_shipment_cost carrier stock_package_shipping"
).split()

ADMIN_PASSWORD = "crossdock-admin"
# Login, password (for JSON-RPC), REST key. The connector is the first; the second is a colleague
# who changes records meanwhile.
USERS = [
    ("crossdock", "crossdock-rpc-password", "crossdock-rest-key"),
    ("clerk", "clerk-rpc-password", "clerk-rest-key"),
]
GROUPS = [
    "sale.group_sale", "sale.group_sale_admin", "stock.group_stock",
    "stock.group_stock_force_assignment", "stock.group_stock_cancellation",
    "account.group_account", "account.group_account_admin", "account_payment.group_payment",
    "account_credit_limit.group_credit_limit", "party.group_party_admin",
    "product.group_product_admin",
]

# Code, symbol, decimals, how much of it is one US dollar.
CURRENCIES = [
    ("USD", "$", 2, "1"), ("EUR", "€", 2, "0.92"), ("GBP", "£", 2, "0.79"),
    ("JPY", "¥", 0, "150"), ("KWD", "KD", 3, "0.31"),
]
COUNTRIES = [
    ("US", "United States"), ("DE", "Germany"), ("GB", "United Kingdom"), ("FR", "France"),
    ("CA", "Canada"),
]
TERMS = [("Net 30", 30), ("Net 60", 60), ("Immediate", 0)]
# Code, name, credit limit (None: none is set), what is owed at the start, currency, terms, street,
# postal code, city, subdivision.
PARTIES = [
    ("C-1001", "Harbour Hardware Ltd", "100000", "12000", "USD", "Net 30",
     "12 Pier Street", "10004", "New York", "US-NY"),
    ("C-1002", "Northwind Tools", "10000", "9800", "USD", "Net 30",
     "400 Market Street", "94105", "San Francisco", "US-CA"),
    ("C-1003", "Fallen Timber Inc", "0", "5000", "USD", "Immediate",
     "7 Mill Road", "75201", "Dallas", "US-TX"),
    ("C-1004", "Gebr. Falke GmbH", "50000", "0", "EUR", "Net 60",
     "Hafenstraße 3", "20457", "Hamburg", "DE-HH"),
    ("C-2001", "Web customer", None, "0", "USD", "Immediate",
     "1 Main Street", "10001", "New York", "US-NY"),
]
# SKU, name, list price, kilograms, stock in East and West.
ITEMS = [
    ("BOLT-M8", "Hex bolt M8 x 40", "0.25", 0.02, 100_000, 0),
    ("DRILL-18V", "Cordless drill 18 V", "149.00", 1.8, 1000, 0),
    ("GLOVE-L", "Work gloves, size L", "9.90", 0.2, 5000, 0),
    ("LADDER-6M", "Extension ladder 6 m", "389.00", 14.5, 10, 1000),
    ("PALLET-JACK", "Pallet jack 2500 kg", "420.00", 68.0, 0, 1000),
    ("GENERATOR-5K", "Generator 5 kW", "899.00", 82.0, 0, 0),
    ("SAW-BLADE", "Saw blade 210 mm", "19.50", 0.4, 3, 0),
    ("TAPE-BLUE", "Masking tape, blue", "4.20", 0.1, 500, 0),
]
# Code, name, type: statement, and what else it is.
ACCOUNTS = [
    ("1000", "Receivable", "balance", {"assets": True, "receivable": True}),
    ("1001", "Revenue", "income", {"revenue": True}),
    ("1002", "Tax", "balance", {}),
    ("1003", "Bank", "balance", {"assets": True}),
    ("1004", "Card clearing", "balance", {"assets": True}),
    ("1005", "Fees", "income", {"expense": True}),
    ("1006", "Discounts", "income", {"expense": True}),
    ("1007", "Write-off", "income", {"expense": True}),
    ("1008", "Payable", "balance", {"payable": True}),
    ("1009", "Goods", "income", {"expense": True}),
    ("1010", "Opening balance", "balance", {}),
    ("1011", "Exchange", "income", {"expense": True}),
]
# The database is kept for years: it must know the periods of the day on which it is used.
YEARS = range(2025, 2036)


def main(folder):
    (folder / f"{DATABASE}.sqlite").touch()
    os.environ["TRYTOND_DATABASE__PATH"] = str(folder)
    os.environ["TRYTOND_DATABASE_URI"] = "sqlite://"
    password = folder / "password"
    password.write_text(ADMIN_PASSWORD)
    subprocess.run(
        [sys.executable, "-m", "trytond.cli.admin", "--database", DATABASE, "--email", "admin@example.com",
         "--activate-dependencies", "--update", *MODULES],
        env={**os.environ, "TRYTONPASSFILE": str(password)}, check=True)
    password.unlink()

    from proteus import config
    fill(config.set_trytond(f"sqlite:///{DATABASE}", user="admin"))


def fill(config):
    from proteus import Model, Wizard

    config.skip_warning = True

    def find(model, **values):
        found, = Model.get(model).find([(field, "=", value) for field, value in values.items()])
        return found

    def add(model, **values):
        record = Model.get(model)()
        for field, value in values.items():
            setattr(record, field, value)
        record.save()
        return record

    currencies = {}
    for code, symbol, digits, rate in CURRENCIES:
        currency = add("currency.currency", name=code, code=code, symbol=symbol, digits=digits,
                       rounding=Decimal(1).scaleb(-digits))
        add("currency.currency.rate", currency=currency, date=date(YEARS[0], 1, 1),
            rate=Decimal(rate))
        currencies[code] = currency
    countries = {code: add("country.country", name=name, code=code) for code, name in COUNTRIES}

    seller = add("party.party", name="Crossdock Distribution", code="SELF")
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party, wizard.form.currency = seller, currencies["USD"]
    wizard.execute("add")
    User = Model.get("res.user")
    config._context = User.get_preferences(True, config.context)
    company, = Model.get("company.company").find()

    accounts = {}
    for code, name, statement, kind in ACCOUNTS:
        type_ = add("account.account.type", name=name, company=company, statement=statement, **kind)
        accounts[name] = add(
            "account.account", code=code, name=name, company=company, type=type_,
            reconcile=name in {"Receivable", "Payable"},
            party_required=name in {"Receivable", "Payable"})
    configuration = Model.get("account.configuration")(1)
    configuration.default_account_receivable = accounts["Receivable"]
    configuration.default_account_payable = accounts["Payable"]
    configuration.default_category_account_revenue = accounts["Revenue"]
    configuration.default_category_account_expense = accounts["Goods"]
    # What a rate makes of an invoice between its posting and its payment.
    configuration.currency_exchange_debit_account = accounts["Exchange"]
    configuration.currency_exchange_credit_account = accounts["Exchange"]
    configuration.save()
    for year in YEARS:
        add_year(add, find, company, year)

    cash = find("account.journal", code="CASH")
    for name, account in [("Bank", "Bank"), ("Card", "Card clearing")]:
        add("account.invoice.payment.method", name=name, company=company, journal=cash,
            credit_account=accounts[account], debit_account=accounts[account])
    write_off = add("account.journal", name="Write-off", code="OFF", type="write-off")
    for name, account in [
            ("Discount", "Discounts"), ("Deduction", "Write-off"),
            ("Small difference", "Write-off")]:
        add("account.move.reconcile.write_off", name=name, company=company, journal=write_off,
            credit_account=accounts[account], debit_account=accounts[account])
    add("account.payment.journal", name="Card", company=company, currency=currencies["USD"],
        process_method="manual")

    # Freight comes with the order, as a charge; Tryton must not add its own.
    sales = Model.get("sale.configuration")(1)
    sales.sale_shipment_cost_method = None
    sales.save()

    terms = {}
    for name, days in TERMS:
        term = Model.get("account.invoice.payment_term")(name=name)
        line = term.lines.new(type="remainder")
        line.relativedeltas.new(days=days)
        term.save()
        terms[name] = term

    prices = Model.get("product.price_list")(
        name="Trade", company=company, unit="product_default", price="list_price")
    prices.lines.new(quantity=100, formula="unit_price * 0.9")
    prices.lines.new(formula="unit_price")
    prices.save()

    opening = []
    subdivisions = {}
    for (code, name, limit, owed, currency, term, street, postal_code, city, region) in PARTIES:
        country = countries[region.split("-")[0]]
        if region not in subdivisions:
            subdivisions[region] = add(
                "country.subdivision", name=region, code=region, type="state", country=country)
        Party = Model.get("party.party")
        party = Party(name=name, code=code)
        party.addresses.pop()
        party.addresses.new(
            street=street, postal_code=postal_code, city=city, country=country,
            subdivision=subdivisions[region], invoice=True, delivery=True)
        party.customer_payment_term = terms[term]
        party.customer_currency = currencies[currency]
        party.credit_limit_amount = None if limit is None else Decimal(limit)
        if code == "C-1001":
            party.sale_price_list = prices
        party.save()
        if Decimal(owed):
            opening.append((party, Decimal(owed)))
    add_opening(Model, find, company, accounts, opening)

    warehouses = add_warehouses(add, find)
    add_items(Model, add, find, company, accounts, warehouses)

    for login, password, key in USERS:
        user = User(name=login, login=login, password=password)
        user.companies.append(Model.get("company.company")(company.id))
        user.company = user.companies[0]
        for group in GROUPS:
            group_id = Model.get("ir.model.data").get_id(group, config.context)
            user.groups.append(Model.get("res.group")(group_id))
        user.save()
        add("res.user.application", user=user, application="rest", key=key)


def add_year(add, find, company, year):
    def sequence(name):
        kind = find("ir.sequence.type", name=name)
        return add("ir.sequence.strict", name=f"{name} {year}", sequence_type=kind,
                   company=company, prefix=f"{year}-")

    from proteus import Model

    fiscal_year = Model.get("account.fiscalyear")(
        name=str(year), company=company, start_date=date(year, 1, 1), end_date=date(year, 12, 31),
        move_sequence=sequence("Account Move"))
    numbers = sequence("Invoice")
    invoices, = fiscal_year.invoice_sequences
    invoices.out_invoice_sequence = invoices.in_invoice_sequence = numbers
    invoices.out_credit_note_sequence = invoices.in_credit_note_sequence = numbers
    fiscal_year.save()
    fiscal_year.click("create_period")


def add_opening(Model, find, company, accounts, opening):
    """What parties owe at the start, from before the year."""
    day = date(YEARS[0], 1, 1)
    period, = Model.get("account.period").find([("start_date", "=", day)])
    move = Model.get("account.move")(
        company=company, journal=find("account.journal", code="MISC"), period=period, date=day,
        description="Opening balance")
    for party, owed in opening:
        move.lines.new(account=accounts["Receivable"], party=party, debit=owed, maturity_date=day)
        move.lines.new(account=accounts["Opening balance"], credit=owed)
    move.save()
    move.click("post")


def add_warehouses(add, find):
    """Tryton's own warehouse becomes East; West is another of the same form."""
    east = find("stock.location", type="warehouse")
    east.name, east.code = "East", "EAST"
    east.save()
    places = {
        field: add("stock.location", name=f"West {name}", code=code, type="storage")
        for field, name, code in [
            ("input_location", "Input", "WIN"), ("output_location", "Output", "WOUT"),
            ("storage_location", "Storage", "WSTO")]}
    west = add("stock.location", name="West", code="WEST", type="warehouse",
               lost_found_location=east.lost_found_location, **places)
    return east, west


def add_items(Model, add, find, company, accounts, warehouses):
    category = add(
        "product.category", name="Goods", accounting=True, account_revenue=accounts["Revenue"],
        account_expense=accounts["Goods"])
    unit, kilogram = find("product.uom", name="Unit"), find("product.uom", name="Kilogram")
    products = []
    for sku, name, price, weight, *_ in ITEMS:
        template = add(
            "product.template", name=name, type="goods", default_uom=unit, salable=True,
            sale_uom=unit, list_price=Decimal(price), account_category=category, weight=weight,
            weight_uom=kilogram)
        product = Model.get("product.product")(template.products[0].id)
        product.suffix_code, product.cost_price = sku, Decimal(price) / 2
        product.save()
        products.append(product)
    for at, warehouse in enumerate(warehouses):
        inventory = Model.get("stock.inventory")(
            company=company, location=warehouse.storage_location, date=date(YEARS[0], 1, 1))
        for product, item in zip(products, ITEMS):
            if item[4 + at]:
                inventory.lines.new(product=product, quantity=item[4 + at])
        inventory.save()
        inventory.click("confirm")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
