{{ config(tags=['smoke', 'date_relative']) }}

with days as (
    select cast(day as date) as date_day
    from generate_series(
        timestamp '1980-01-01',
        date_trunc('year', {{ as_of_date() }}) + interval '3 years - 1 day',
        interval '1 day'
    ) as day
),

-- The practice as a whole, not one provider's day off.
closed as (
    select distinct schedule_date as date_day
    from {{ ref('stg_opendental__schedule') }}
    where schedule_type = 0
        and schedule_status in (1, 2)
)

select
    days.date_day,
    cast(extract(year from days.date_day) as integer) as year_number,
    cast(extract(quarter from days.date_day) as integer) as quarter_number,
    cast(extract(month from days.date_day) as integer) as month_number,
    cast(extract(isodow from days.date_day) as integer) as weekday_number,
    to_char(days.date_day, 'FMMonth') as month_name,
    to_char(days.date_day, 'FMDay') as weekday_name,
    cast(date_trunc('year', days.date_day) as date) as year_start,
    cast(date_trunc('quarter', days.date_day) as date) as quarter_start,
    cast(date_trunc('month', days.date_day) as date) as month_start,
    cast(date_trunc('week', days.date_day) as date) as week_start,
    extract(isodow from days.date_day) in (6, 7) as is_weekend,
    closed.date_day is not null as is_practice_closed,
    days.date_day - {{ as_of_date() }} as days_from_as_of_date,
    days.date_day > {{ as_of_date() }} as is_future
from days
left join closed using (date_day)
