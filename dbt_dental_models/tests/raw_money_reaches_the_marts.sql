-- From raw through staging to the marts: the same rows and the same money. Read from raw on purpose: a staging
-- model that lost or doubled rows would agree with everything that stands on it.
{{ config(tags=['reconciliation']) }}

with raw_totals as (
    select
        'fees' as measure,
        sum(cast("ProcFee" as numeric) * ("UnitQty" + "BaseUnits")) as amount
    from {{ source('opendental', 'procedurelog') }}
    where "ProcStatus" = 2
    union all
    select 'adjustments', sum(cast("AdjAmt" as numeric)) from {{ source('opendental', 'adjustment') }}
    union all
    select 'insurance posted', sum(cast("InsPayAmt" as numeric))
    from {{ source('opendental', 'claimproc') }}
    where "Status" in (1, 4, 5, 7)
    union all
    select 'payments', sum(cast("PayAmt" as numeric)) from {{ source('opendental', 'payment') }}
    where "PayType" <> 0
    union all
    select 'cheques', sum(cast("CheckAmt" as numeric)) from {{ source('opendental', 'claimpayment') }}
),

mart_totals as (
    select 'fees' as measure, sum(gross_production + capitation_write_offs) as amount, count(*) as row_count
    from {{ ref('mart_daily_production_collections') }}
    union all
    select 'adjustments', sum(adjustments), count(*) from {{ ref('mart_daily_production_collections') }}
    union all
    select 'insurance posted', sum(insurance_posted), count(*) from {{ ref('mart_daily_production_collections') }}
    union all
    select 'payments', sum(amount), count(*) from {{ ref('mart_payment_mix') }}
    where payer = 'patient'
    union all
    select 'cheques', sum(amount), count(*) from {{ ref('mart_payment_mix') }}
    where payer = 'insurance'
)

select measure, raw_totals.amount as raw_amount, mart_totals.amount as mart_amount
from raw_totals
inner join mart_totals using (measure)
where abs(coalesce(raw_totals.amount, 0) - coalesce(mart_totals.amount, 0)) > 0.01 * (mart_totals.row_count + 1)
