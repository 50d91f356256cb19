-- What no honest writer ever breaks. Applied where cartctl owns the database alone.

ALTER TABLE "promotions" ADD CONSTRAINT "promotions_money_check" CHECK ("value" >= 0 AND "minimumOrderAmount" >= 0 AND "maximumDiscount" >= 0);

ALTER TABLE "promotions" ADD CONSTRAINT "promotions_percentage_check" CHECK ("type" <> 'PERCENTAGE_OFF' OR "value" <= 100);

ALTER TABLE "promotions" ADD CONSTRAINT "promotions_currentUses_check" CHECK ("currentUses" >= 0);

ALTER TABLE "promotion_usages" ADD CONSTRAINT "promotion_usages_money_check" CHECK ("discountAmount" >= 0);

ALTER TABLE "tax_rates" ADD CONSTRAINT "tax_rates_rate_check" CHECK ("rate" >= 0 AND "rate" <= 1);

ALTER TABLE "shipping_rules" ADD CONSTRAINT "shipping_rules_money_check" CHECK ("baseRate" >= 0 AND "perItemRate" >= 0 AND "perWeightUnitRate" >= 0 AND "freeShippingThreshold" >= 0 AND "minOrderTotal" >= 0 AND "maxOrderTotal" >= 0);

ALTER TABLE "shipping_rules" ADD CONSTRAINT "shipping_rules_weight_check" CHECK ("minWeight" < "maxWeight");

ALTER TABLE "shipping_rules" ADD CONSTRAINT "shipping_rules_orderTotal_check" CHECK ("minOrderTotal" < "maxOrderTotal");

ALTER TABLE "shipping_rules" ADD CONSTRAINT "shipping_rules_estimatedDays_check" CHECK ("estimatedDaysMin" <= "estimatedDaysMax");

ALTER TABLE "cart_promotions" ADD CONSTRAINT "cart_promotions_money_check" CHECK ("discountAmount" >= 0);
